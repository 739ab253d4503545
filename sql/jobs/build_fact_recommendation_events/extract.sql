-- Source: recommendations created in [day_start, day_end). One row per recommendation. Variables: day_start, day_end.
select
    id::uuid as recommendation_id,
    tenant_id::uuid as tenant_id,
    learner_id::uuid as learner_id,
    skill_id::uuid as skill_id,
    recommendation_type::text as recommendation_type,
    source::text as source,
    was_accepted::boolean as was_accepted,
    was_declined::boolean as was_declined,
    created_at::timestamptz as created_at,
    responded_at::timestamptz as responded_at
from recommendations
where
    created_at >= :'day_start'::timestamptz
    and created_at < :'day_end'::timestamptz
