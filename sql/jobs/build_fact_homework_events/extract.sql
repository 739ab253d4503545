-- Source: homework_submissions made in [day_start, day_end), with counts over their steps and responses, and the day on
-- which their session started. One row per submission; timestamps without a zone hold UTC.
-- Variables: day_start, day_end.
with submitted as (
    select
        id,
        tenant_id,
        learner_id,
        session_id,
        subject,
        grade_band,
        status,
        step_count,
        steps_completed,
        created_at,
        updated_at
    from homework_submissions
    where
        created_at >= (:'day_start'::timestamptz at time zone 'UTC')
        and created_at < (:'day_end'::timestamptz at time zone 'UTC')
),

hinted as (
    select
        steps.submission_id,
        count(*) filter (where steps.hint_revealed) as hints_revealed
    from submitted
    inner join homework_steps as steps on submitted.id = steps.submission_id
    group by steps.submission_id
),

answered as (
    select
        steps.submission_id,
        count(*) as total_responses,
        count(*) filter (where responses.is_correct) as correct_responses
    from submitted
    inner join homework_steps as steps on submitted.id = steps.submission_id
    inner join homework_step_responses as responses on steps.id = responses.step_id
    group by steps.submission_id
)

select
    submitted.id::uuid as submission_id,
    submitted.tenant_id::uuid as tenant_id,
    submitted.learner_id::uuid as learner_id,
    submitted.session_id::uuid as session_id,
    to_char(sessions.started_at, 'YYYYMMDD')::integer as session_date_key,
    submitted.subject::text as subject,
    submitted.grade_band::text as grade_band,
    submitted.status::text as status,
    submitted.step_count::integer as step_count,
    submitted.steps_completed::integer as steps_completed,
    coalesce(hinted.hints_revealed, 0)::integer as hints_revealed,
    coalesce(answered.correct_responses, 0)::integer as correct_responses,
    coalesce(answered.total_responses, 0)::integer as total_responses,
    (submitted.created_at at time zone 'UTC')::timestamptz as submitted_at,
    (submitted.updated_at at time zone 'UTC')::timestamptz as updated_at
from submitted
left join hinted on submitted.id = hinted.submission_id
left join answered on submitted.id = answered.submission_id
left join sessions
    on
        submitted.session_id = sessions.id
        and sessions.started_at >= '0001-01-01'
        and sessions.started_at < '10000-01-01'
