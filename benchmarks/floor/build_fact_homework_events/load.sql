-- The day is deleted and inserted. Variables: day, date_key.
select etl_ensure_day('fact_homework_events', :'day');

begin;

-- The planner thinks that few rows meet a version in force, and would look each one up.
set local enable_nestloop to off;

create temporary table stage (
    submission_id uuid,
    tenant_id uuid,
    learner_id uuid,
    session_id uuid,
    session_date_key integer,
    subject text,
    grade_band text,
    step_count integer,
    steps_completed integer,
    hints_revealed integer,
    correct_responses integer,
    total_responses integer,
    completion_rate numeric,
    submitted_at timestamptz,
    completed_at timestamptz
) on commit drop;
\copy stage from pstdin (format binary)

delete from fact_homework_events where date_key = :date_key;

insert into fact_homework_events (
    date_key, submission_id, tenant_key, learner_key, session_id, session_date_key, session_key, subject, grade_band,
    step_count, steps_completed, hints_revealed, correct_responses, total_responses, completion_rate, submitted_at,
    completed_at
)
select
    :date_key,
    stage.submission_id,
    dim_tenant.tenant_key,
    dim_learner.learner_key,
    stage.session_id,
    stage.session_date_key,
    fact_sessions.session_key,
    stage.subject,
    stage.grade_band,
    stage.step_count,
    stage.steps_completed,
    stage.hints_revealed,
    stage.correct_responses,
    stage.total_responses,
    stage.completion_rate,
    stage.submitted_at,
    stage.completed_at
from stage
inner join dim_tenant
    on
        stage.tenant_id = dim_tenant.tenant_id
        and stage.submitted_at >= dim_tenant.effective_from
        and stage.submitted_at < coalesce(dim_tenant.effective_to, 'infinity')
inner join dim_learner
    on
        stage.learner_id = dim_learner.learner_id
        and stage.submitted_at >= dim_learner.effective_from
        and stage.submitted_at < coalesce(dim_learner.effective_to, 'infinity')
left join fact_sessions
    on
        stage.session_id = fact_sessions.session_id
        and stage.session_date_key = fact_sessions.date_key
        and fact_sessions.date_key between (select min(staged.session_date_key) from stage as staged)
        and (select max(staged.session_date_key) from stage as staged)
-- Neighbours in two of the indexes, and in the rows that the foreign keys look up.
order by dim_learner.learner_key;

commit;
