-- The day is deleted and inserted. Variables: day, date_key.
select etl_ensure_day('fact_recommendation_events', :'day');

begin;

-- The planner thinks that few rows meet a version in force, and would look each one up.
set local enable_nestloop to off;

create temporary table stage (
    recommendation_id uuid,
    tenant_id uuid,
    learner_id uuid,
    skill_id uuid,
    recommendation_type text,
    source text,
    was_accepted boolean,
    was_declined boolean,
    response_time_seconds integer,
    created_at timestamptz,
    responded_at timestamptz
) on commit drop;
\copy stage from pstdin (format binary)

delete from fact_recommendation_events where date_key = :date_key;

insert into fact_recommendation_events (
    date_key, recommendation_id, tenant_key, learner_key, skill_key, recommendation_type, source, was_accepted,
    was_declined, response_time_seconds, created_at, responded_at
)
select
    :date_key,
    stage.recommendation_id,
    dim_tenant.tenant_key,
    dim_learner.learner_key,
    dim_skill.skill_key,
    stage.recommendation_type,
    stage.source,
    stage.was_accepted,
    stage.was_declined,
    stage.response_time_seconds,
    stage.created_at,
    stage.responded_at
from stage
inner join dim_tenant
    on
        stage.tenant_id = dim_tenant.tenant_id
        and stage.created_at >= dim_tenant.effective_from
        and stage.created_at < coalesce(dim_tenant.effective_to, 'infinity')
inner join dim_learner
    on
        stage.learner_id = dim_learner.learner_id
        and stage.created_at >= dim_learner.effective_from
        and stage.created_at < coalesce(dim_learner.effective_to, 'infinity')
left join dim_skill on stage.skill_id = dim_skill.skill_id
-- Neighbours in two of the indexes, and in the rows that the foreign keys look up.
order by dim_learner.learner_key;

commit;
