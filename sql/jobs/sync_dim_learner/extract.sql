-- Source: learners changed since a moment, and those that don't say when they changed; since -infinity: all.
-- One row per learner, deleted ones included. An infinite deleted_at can't be read and is none: the learner is there;
-- deleted_at_given shows it to rejects.sql. Variables: changed_since.
select
    id::uuid as learner_id,
    tenant_id::uuid as tenant_id,
    grade_band::text as grade_band,
    grade_level::integer as grade_level,
    is_active::boolean as is_active,
    created_at::timestamptz as created_at,
    updated_at::timestamptz as updated_at,
    (case when isfinite(deleted_at) then deleted_at end)::timestamptz as deleted_at,
    deleted_at::timestamptz as deleted_at_given
from learners
where
    :'changed_since'::timestamptz = '-infinity'
    or updated_at >= :'changed_since'::timestamptz
    or updated_at = '-infinity'
    or updated_at is null
