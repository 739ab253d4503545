-- Grain: one row per focus event on the day. A field of the metadata that can't be read is NULL.
select
    stage.event_id,
    stage.session_id,
    stage.session_date_key,
    session_link.session_key,
    tenant_version.tenant_key,
    learner_version.learner_key,
    stage.event_type,
    stage.event_time,
    floor(etl_json_number(stage.duration_seconds, 0, 2147483647))::integer as duration_seconds,
    etl_json_text(stage.intervention_type, 100) as intervention_type,
    etl_json_boolean(stage.intervention_completed) as intervention_completed,
    round(etl_json_number(stage.focus_score, 0, 100), 4) as focus_score
from stage
inner join tenant_version
    on
        stage.tenant_id = tenant_version.tenant_id
        and stage.event_time >= tenant_version.valid_from
        and stage.event_time < tenant_version.valid_to
inner join learner_version
    on
        stage.learner_id = learner_version.learner_id
        and stage.event_time >= learner_version.valid_from
        and stage.event_time < learner_version.valid_to
left join session_link
    on
        stage.session_id = session_link.session_id
        and stage.session_date_key = session_link.session_date_key
