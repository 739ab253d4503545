-- SCD 2, first half: what happens to each id. One row in scd2_change per id to which something happens.
--   first     never seen before: a first version (a closed one, if it is deleted already)
--   complete  known as an inferred member: completed in place
--   change    a tracked attribute differs: the current version ends, the next begins
--   close     deleted in the source, or gone from it: the current version ends
--   revive    deleted once, and back again: a new version begins
-- Variables: rows (query: the rows of the source as versions of today), dimension, business_key, surrogate_key, differs
-- (tracked attributes old and new), clock, whole (whether everything was read, so that what is missing is gone),
-- not_rejected (condition).
-- Reads stage, what was read of the source, and rejected: a row that can't be loaded is not gone.
-- Where not everything was read, the last condition makes a left join of the full one: by the dimension's index.
-- What ended is looked up id by id, and only where no version is current: how many ended, statistics may not know yet.
create temporary table scd2_change on commit drop as
with compared as (
    select
        incoming.:"business_key" as incoming_key,
        incoming.created_at,
        incoming.updated_at,
        incoming.deleted_at,
        current_version.:"surrogate_key" as current_key,
        current_version.effective_from,
        case
            when incoming.:"business_key" is null and current_version.is_inferred then 'keep'
            when incoming.:"business_key" is null and :not_rejected then 'close'
            when incoming.:"business_key" is null then 'keep'
            when current_version.is_inferred then 'complete'
            when current_version.is_current and incoming.deleted_at is not null then 'close'
            when current_version.is_current and :differs then 'change'
            when current_version.is_current then 'keep'
            else 'begin'
        end as what
    from (:rows) as incoming
    full join (select * from :"dimension" where is_current) as current_version
        on incoming.:"business_key" = current_version.:"business_key"
    where :'whole'::boolean or incoming.:"business_key" is not null
),

decided as (
    select
        compared.incoming_key,
        compared.created_at,
        compared.updated_at,
        compared.deleted_at,
        compared.current_key,
        compared.effective_from,
        closed.ended_at,
        case
            when compared.what <> 'begin' then compared.what
            when closed.ended_at is null then 'first'
            when compared.deleted_at is null then 'revive'
            else 'keep'
        end as what
    from compared
    left join
        lateral (
            select max(ended.effective_to) as ended_at
            from :"dimension" as ended
            where
                compared.what = 'begin'
                and not ended.is_current
                and ended.:"business_key" = compared.incoming_key
        ) as closed
        on true
    where compared.what <> 'keep'
),

begun as (
    select
        what,
        incoming_key,
        current_key,
        deleted_at,
        case what
            when 'close' then effective_from
            when 'change' then etl_effective(updated_at, effective_from, :'clock'::timestamptz)
            when 'revive' then etl_effective(updated_at, ended_at, :'clock'::timestamptz)
            else etl_effective(created_at, timestamptz '-infinity', :'clock'::timestamptz)
        end as effective_from
    from decided
    where what <> 'keep'
)

select
    what,
    incoming_key,
    current_key,
    effective_from,
    case
        when what = 'close' or deleted_at is not null
            then etl_effective(deleted_at, effective_from, :'clock'::timestamptz)
    end as effective_to
from begun;

analyze scd2_change;

select
    count(*) filter (where what = 'first') as inserted,
    count(*) filter (
        where what in ('change', 'revive')
        or (what = 'complete' and effective_to is null)
    ) as updated,
    count(*) filter (
        where what = 'close'
        or (what = 'complete' and effective_to is not null)
    ) as deleted,
    count(*) filter (where what = 'close') as closed
from scd2_change
