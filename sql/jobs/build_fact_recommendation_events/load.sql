-- Grain: one row per recommendation created on the day. A response time that is negative or no integer is NULL.
with answered as (
    select
        recommendation_id,
        floor(extract(epoch from responded_at - created_at)) as seconds
    from stage
    where isfinite(responded_at)
)

select
    stage.recommendation_id,
    tenant_version.tenant_key,
    learner_version.learner_key,
    dim_skill.skill_key,
    coalesce(stage.recommendation_type, 'UNKNOWN') as recommendation_type,
    coalesce(stage.source, 'UNKNOWN') as source,
    stage.was_accepted,
    stage.was_declined,
    case when answered.seconds between 0 and 2147483647 then answered.seconds::integer end as response_time_seconds,
    stage.created_at,
    case when isfinite(stage.responded_at) then stage.responded_at end as responded_at
from stage
inner join tenant_version
    on
        stage.tenant_id = tenant_version.tenant_id
        and stage.created_at >= tenant_version.valid_from
        and stage.created_at < tenant_version.valid_to
inner join learner_version
    on
        stage.learner_id = learner_version.learner_id
        and stage.created_at >= learner_version.valid_from
        and stage.created_at < learner_version.valid_to
left join dim_skill on stage.skill_id = dim_skill.skill_id
left join answered on stage.recommendation_id = answered.recommendation_id
