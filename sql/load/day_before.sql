-- The day as it was. Variables: fact, date_key.
create temporary table day_before on commit drop as
select *
from :"fact"
where date_key = :date_key;

analyze day_before;

select count(*) as rows_before
from day_before
