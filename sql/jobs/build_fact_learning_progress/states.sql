-- Source: learner_skill_states changed since a moment, and those that don't say when they changed.
-- One row per learner and skill. Variables: changed_since.
select
    id::uuid as state_id,
    tenant_id::uuid as tenant_id,
    learner_id::uuid as learner_id,
    skill_id::uuid as skill_id,
    mastery_level::numeric as mastery_level,
    updated_at::timestamptz as updated_at
from learner_skill_states
where
    updated_at >= :'changed_since'::timestamptz
    or updated_at = '-infinity'
    or updated_at is null
    or id is null
    or tenant_id is null
    or learner_id is null
    or skill_id is null
