-- Source: the homework submitted on the day, with counts over its steps and responses. Variables: day.
copy (
    with submitted as (
        select *
        from homework_submissions
        where created_at >= :'day' and created_at < :'day'::timestamp + interval '1 day'
    ),

    steps as (
        select
            homework_steps.id,
            homework_steps.submission_id,
            homework_steps.hint_revealed
        from submitted
        inner join homework_steps on submitted.id = homework_steps.submission_id
    ),

    hinted as (
        select
            submission_id,
            count(*) filter (where hint_revealed) as hints_revealed
        from steps
        group by submission_id
    ),

    answered as (
        select
            steps.submission_id,
            count(*) filter (where responses.is_correct) as correct_responses,
            count(*) as total_responses
        from steps
        inner join homework_step_responses as responses on steps.id = responses.step_id
        group by steps.submission_id
    )

    select
        submitted.id,
        submitted.tenant_id,
        submitted.learner_id,
        submitted.session_id,
        to_char(sessions.started_at, 'YYYYMMDD')::integer,
        submitted.subject,
        submitted.grade_band::text,
        submitted.step_count,
        submitted.steps_completed,
        coalesce(hinted.hints_revealed, 0)::integer,
        coalesce(answered.correct_responses, 0)::integer,
        coalesce(answered.total_responses, 0)::integer,
        case
            when submitted.step_count > 0 then least(1, submitted.steps_completed::numeric / submitted.step_count)
            else 0
        end,
        submitted.created_at at time zone 'UTC',
        case when submitted.status = 'COMPLETED' then submitted.updated_at at time zone 'UTC' end
    from submitted
    left join hinted on submitted.id = hinted.submission_id
    left join answered on submitted.id = answered.submission_id
    left join sessions on submitted.session_id = sessions.id
) to stdout (format binary); -- noqa: PRS
