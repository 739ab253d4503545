-- Grain: one row per session started on the day.
select
    stage.session_id,
    tenant_version.tenant_key,
    learner_version.learner_key,
    coalesce(stage.session_type, 'UNKNOWN') as session_type,
    coalesce(stage.origin, 'UNKNOWN') as origin,
    (greatest(coalesce(stage.duration_ms, 0), 0) / 1000)::integer as duration_seconds,
    stage.activities_assigned,
    stage.activities_completed,
    stage.activities_skipped,
    stage.correct_responses,
    stage.incorrect_responses,
    stage.hints_used,
    stage.focus_breaks_count,
    stage.focus_interventions_count,
    stage.started_at,
    case when isfinite(stage.ended_at) then stage.ended_at end as ended_at
from stage
inner join tenant_version
    on
        stage.tenant_id = tenant_version.tenant_id
        and stage.started_at >= tenant_version.valid_from
        and stage.started_at < tenant_version.valid_to
inner join learner_version
    on
        stage.learner_id = learner_version.learner_id
        and stage.started_at >= learner_version.valid_from
        and stage.started_at < learner_version.valid_to
