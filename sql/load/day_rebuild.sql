-- Writes the day. Variables: fact, surrogate_key, sequence, columns, loaded_columns, same_row (condition), date_key.
insert into :"fact" (date_key, :"surrogate_key", :columns)
select
    :date_key,
    coalesce(day_before.:"surrogate_key", nextval(:'sequence')),
    :loaded_columns
from loaded
left join day_before on :same_row
