-- SCD 1, second half: overwrites in place what scd1_change names. Nothing changed: nothing is written. New rows are
-- written in the order of their ids, for the indexes' sake.
-- Variables: rows (query: the rows of the source), dimension, business_key, columns (attributes), incoming_columns (the
-- same, of incoming).
update :"dimension" as known
set
    (:columns) = (select :incoming_columns),
    is_inferred = false
from scd1_change as change
inner join (:rows) as incoming on change.id = incoming.:"business_key"
where
    change.what <> 'first'
    and known.:"business_key" = change.id;

insert into :"dimension" (:columns)
select :incoming_columns
from scd1_change as change
inner join (:rows) as incoming on change.id = incoming.:"business_key"
where change.what = 'first'
order by change.id
