-- SCD 1, first half: what happens to each id. One row in scd1_change per id to which something happens.
--   first, complete (an inferred member), change, deactivate (deleted in the source)
-- Variables: rows (query: the rows of the source), dimension, business_key, differs (attributes old and new),
-- was_active (condition on the row as it is).
create temporary table scd1_change on commit drop as
select
    incoming.:"business_key" as id,
    incoming.is_deleted,
    case
        when known.:"business_key" is null then 'first'
        when known.is_inferred then 'complete'
        when incoming.is_deleted and :was_active then 'deactivate'
        else 'change'
    end as what
from (:rows) as incoming
left join :"dimension" as known on incoming.:"business_key" = known.:"business_key"
where
    known.:"business_key" is null
    or known.is_inferred
    or :differs;

analyze scd1_change;

select
    count(*) filter (where what = 'first') as inserted,
    count(*) filter (
        where what = 'change'
        or (what = 'complete' and not is_deleted)
    ) as updated,
    count(*) filter (
        where what = 'deactivate'
        or (what = 'complete' and is_deleted)
    ) as deleted,
    count(*) filter (where what = 'deactivate') as closed
from scd1_change
