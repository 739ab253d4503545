-- SCD 2, second half: carries scd2_change out. Nothing changed: nothing is written. New rows are written in the order
-- of their ids: each index grows page by page, where any other order would touch all its pages again and again.
-- Variables: rows (query: the rows of the source), dimension, business_key, surrogate_key, columns (attributes),
-- incoming_columns (the same, of incoming).
update :"dimension" as version
set
    effective_to = case when change.what = 'change' then change.effective_from else change.effective_to end,
    is_current = false
from scd2_change as change
where
    change.what in ('change', 'close')
    and version.:"surrogate_key" = change.current_key;

update :"dimension" as version
set
    (:columns) = (select :incoming_columns),
    effective_from = change.effective_from,
    effective_to = change.effective_to,
    is_current = change.effective_to is null,
    is_inferred = false
from scd2_change as change
inner join (:rows) as incoming on change.incoming_key = incoming.:"business_key"
where
    change.what = 'complete'
    and version.:"surrogate_key" = change.current_key;

insert into :"dimension" (:columns, effective_from, effective_to, is_current)
select
    :incoming_columns,
    change.effective_from,
    change.effective_to,
    change.effective_to is null as is_current
from scd2_change as change
inner join (:rows) as incoming on change.incoming_key = incoming.:"business_key"
where change.what in ('first', 'change', 'revive')
order by change.incoming_key
