-- The day is deleted and inserted. Variables: day, date_key.
select etl_ensure_day('fact_sessions', :'day');

begin;

-- The planner thinks that few rows meet a version in force, and would look each one up.
set local enable_nestloop to off;

create temporary table stage (
    session_id uuid,
    tenant_id uuid,
    learner_id uuid,
    session_type text,
    origin text,
    duration_seconds integer,
    activities_assigned integer,
    activities_completed integer,
    activities_skipped integer,
    correct_responses integer,
    incorrect_responses integer,
    hints_used integer,
    focus_breaks_count integer,
    focus_interventions_count integer,
    started_at timestamptz,
    ended_at timestamptz
) on commit drop;
\copy stage from pstdin (format binary)

delete from fact_sessions where date_key = :date_key;

insert into fact_sessions (
    date_key, session_id, tenant_key, learner_key, session_type, origin, duration_seconds, activities_assigned,
    activities_completed, activities_skipped, correct_responses, incorrect_responses, hints_used, focus_breaks_count,
    focus_interventions_count, started_at, ended_at
)
select
    :date_key,
    stage.session_id,
    dim_tenant.tenant_key,
    dim_learner.learner_key,
    stage.session_type,
    stage.origin,
    stage.duration_seconds,
    stage.activities_assigned,
    stage.activities_completed,
    stage.activities_skipped,
    stage.correct_responses,
    stage.incorrect_responses,
    stage.hints_used,
    stage.focus_breaks_count,
    stage.focus_interventions_count,
    stage.started_at,
    stage.ended_at
from stage
inner join dim_tenant
    on
        stage.tenant_id = dim_tenant.tenant_id
        and stage.started_at >= dim_tenant.effective_from
        and stage.started_at < coalesce(dim_tenant.effective_to, 'infinity')
inner join dim_learner
    on
        stage.learner_id = dim_learner.learner_id
        and stage.started_at >= dim_learner.effective_from
        and stage.started_at < coalesce(dim_learner.effective_to, 'infinity')
-- Neighbours in two of the indexes, and in the rows that the foreign keys look up.
order by dim_learner.learner_key;

commit;
