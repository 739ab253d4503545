-- Source: skills changed since a moment, and those that don't say when they changed; since -infinity: all.
-- One row per skill, deleted ones included. An infinite deleted_at can't be read and is none: the skill is there;
-- deleted_at_given shows it to rejects.sql. Variables: changed_since.
select
    id::uuid as skill_id,
    coalesce(subject::text, 'UNKNOWN') as subject_code,
    code::text as skill_code,
    name::text as skill_name,
    description::text as description,
    grade_band::text as grade_band,
    parent_skill_id::uuid as parent_skill_id,
    depth::integer as depth,
    (case when isfinite(deleted_at) then deleted_at end)::timestamptz as deleted_at,
    deleted_at::timestamptz as deleted_at_given
from skills
where
    :'changed_since'::timestamptz = '-infinity'
    or updated_at >= :'changed_since'::timestamptz
    or updated_at = '-infinity'
    or updated_at is null
