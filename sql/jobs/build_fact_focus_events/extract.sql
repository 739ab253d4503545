-- Source: session_events of the five focus types in [day_start, day_end), and the day on which their session started.
-- One row per focus event. Of the metadata only the four keys travel, as they are; load.sql reads them.
-- Variables: day_start, day_end.
select
    events.id::uuid as event_id,
    events.session_id::uuid as session_id,
    to_char(sessions.started_at, 'YYYYMMDD')::integer as session_date_key,
    events.tenant_id::uuid as tenant_id,
    events.learner_id::uuid as learner_id,
    events.event_type::text as event_type,
    events.event_time::timestamptz as event_time,
    (events.metadata_json -> 'durationSeconds')::jsonb as duration_seconds,
    (events.metadata_json -> 'interventionType')::jsonb as intervention_type,
    (events.metadata_json -> 'interventionCompleted')::jsonb as intervention_completed,
    (events.metadata_json -> 'focusScore')::jsonb as focus_score
from session_events as events
left join sessions
    on
        events.session_id = sessions.id
        and sessions.started_at >= '0001-01-01'
        and sessions.started_at < '10000-01-01'
where
    events.event_time >= :'day_start'::timestamptz
    and events.event_time < :'day_end'::timestamptz
    and events.event_type::text in (
        'FOCUS_LOSS_DETECTED',
        'FOCUS_BREAK_STARTED',
        'FOCUS_BREAK_ENDED',
        'FOCUS_INTERVENTION_SHOWN',
        'FOCUS_INTERVENTION_COMPLETED'
    )
