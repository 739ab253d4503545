-- The day is deleted and inserted. Variables: day, date_key.
select etl_ensure_day('fact_focus_events', :'day');

begin;

-- The planner thinks that few rows meet a version in force, and would look each one up.
set local enable_nestloop to off;

create temporary table stage (
    event_id uuid,
    session_id uuid,
    session_date_key integer,
    tenant_id uuid,
    learner_id uuid,
    event_type text,
    event_time timestamptz,
    duration_seconds integer,
    intervention_type text,
    intervention_completed boolean,
    focus_score numeric
) on commit drop;
\copy stage from pstdin (format binary)

delete from fact_focus_events where date_key = :date_key;

insert into fact_focus_events (
    date_key, event_id, tenant_key, learner_key, session_id, session_date_key, session_key, event_type, event_time,
    duration_seconds, intervention_type, intervention_completed, focus_score
)
select
    :date_key,
    stage.event_id,
    dim_tenant.tenant_key,
    dim_learner.learner_key,
    stage.session_id,
    stage.session_date_key,
    fact_sessions.session_key,
    stage.event_type,
    stage.event_time,
    stage.duration_seconds,
    stage.intervention_type,
    stage.intervention_completed,
    stage.focus_score
from stage
inner join dim_tenant
    on
        stage.tenant_id = dim_tenant.tenant_id
        and stage.event_time >= dim_tenant.effective_from
        and stage.event_time < coalesce(dim_tenant.effective_to, 'infinity')
inner join dim_learner
    on
        stage.learner_id = dim_learner.learner_id
        and stage.event_time >= dim_learner.effective_from
        and stage.event_time < coalesce(dim_learner.effective_to, 'infinity')
left join fact_sessions
    on
        stage.session_id = fact_sessions.session_id
        and stage.session_date_key = fact_sessions.date_key
        and fact_sessions.date_key between (select min(staged.session_date_key) from stage as staged)
        and (select max(staged.session_date_key) from stage as staged)
-- Neighbours in two of the indexes, and in the rows that the foreign keys look up.
order by dim_learner.learner_key;

commit;
