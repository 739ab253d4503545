-- Source: the focus events of the day. Variables: day.
copy (
    select
        events.id,
        events.session_id,
        to_char(sessions.started_at, 'YYYYMMDD')::integer,
        events.tenant_id,
        events.learner_id,
        events.event_type,
        events.event_time,
        floor((events.metadata_json ->> 'durationSeconds')::numeric)::integer,
        events.metadata_json ->> 'interventionType',
        (events.metadata_json ->> 'interventionCompleted')::boolean,
        round((events.metadata_json ->> 'focusScore')::numeric, 4)
    from session_events as events
    left join sessions on events.session_id = sessions.id
    where
        events.event_time >= :'day'::timestamptz
        and events.event_time < :'day'::timestamptz + interval '1 day'
        and events.event_type in (
            'FOCUS_LOSS_DETECTED', 'FOCUS_BREAK_STARTED', 'FOCUS_BREAK_ENDED', 'FOCUS_INTERVENTION_SHOWN',
            'FOCUS_INTERVENTION_COMPLETED'
        )
) to stdout (format binary); -- noqa: PRS
