-- Grain: one row per homework submission made on the day.
select
    stage.submission_id,
    stage.session_id,
    stage.session_date_key,
    session_link.session_key,
    tenant_version.tenant_key,
    learner_version.learner_key,
    coalesce(stage.subject, 'UNKNOWN') as subject,
    coalesce(stage.grade_band, 'UNKNOWN') as grade_band,
    coalesce(stage.step_count, 0) as step_count,
    coalesce(stage.steps_completed, 0) as steps_completed,
    stage.hints_revealed,
    stage.correct_responses,
    stage.total_responses,
    case
        when stage.step_count > 0 then least(1, coalesce(stage.steps_completed, 0)::numeric / stage.step_count)
        else 0
    end as completion_rate,
    stage.submitted_at,
    case when stage.status = 'COMPLETED' and isfinite(stage.updated_at) then stage.updated_at end as completed_at
from stage
inner join tenant_version
    on
        stage.tenant_id = tenant_version.tenant_id
        and stage.submitted_at >= tenant_version.valid_from
        and stage.submitted_at < tenant_version.valid_to
inner join learner_version
    on
        stage.learner_id = learner_version.learner_id
        and stage.submitted_at >= learner_version.valid_from
        and stage.submitted_at < learner_version.valid_to
left join session_link
    on
        stage.session_id = session_link.session_id
        and stage.session_date_key = session_link.session_date_key
