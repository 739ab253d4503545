-- Source: session_events of the five focus types in [day_start, day_end), and the day on which their session started.
-- One row per focus event. Of the metadata four keys travel, as they are; load.sql reads them. What is far too long
-- for any of them is cut, and so is metadata that is no object: rejects.sql tells of both.
-- Variables: day_start, day_end.
with focus as (
    select
        id,
        session_id,
        tenant_id,
        learner_id,
        event_type,
        event_time,
        metadata_json::jsonb -> 'durationSeconds' as duration_seconds,
        metadata_json::jsonb -> 'interventionType' as intervention_type,
        metadata_json::jsonb -> 'interventionCompleted' as intervention_completed,
        metadata_json::jsonb -> 'focusScore' as focus_score,
        case when jsonb_typeof(metadata_json::jsonb) <> 'object' then metadata_json::jsonb end as no_object
    from session_events
    where
        event_time >= :'day_start'::timestamptz
        and event_time < :'day_end'::timestamptz
        and event_type::text in (
            'FOCUS_LOSS_DETECTED',
            'FOCUS_BREAK_STARTED',
            'FOCUS_BREAK_ENDED',
            'FOCUS_INTERVENTION_SHOWN',
            'FOCUS_INTERVENTION_COMPLETED'
        )
)

select
    focus.id::uuid as event_id,
    focus.session_id::uuid as session_id,
    to_char(sessions.started_at, 'YYYYMMDD')::integer as session_date_key,
    focus.tenant_id::uuid as tenant_id,
    focus.learner_id::uuid as learner_id,
    focus.event_type::text as event_type,
    focus.event_time::timestamptz as event_time,
    case
        when pg_column_size(focus.duration_seconds) <= 1000 then focus.duration_seconds
        else to_jsonb(left(focus.duration_seconds::text, 1000))
    end::jsonb as duration_seconds,
    case
        when pg_column_size(focus.intervention_type) <= 1000 then focus.intervention_type
        else to_jsonb(left(focus.intervention_type::text, 1000))
    end::jsonb as intervention_type,
    case
        when pg_column_size(focus.intervention_completed) <= 1000 then focus.intervention_completed
        else to_jsonb(left(focus.intervention_completed::text, 1000))
    end::jsonb as intervention_completed,
    case
        when pg_column_size(focus.focus_score) <= 1000 then focus.focus_score
        else to_jsonb(left(focus.focus_score::text, 1000))
    end::jsonb as focus_score,
    case
        when length(focus.no_object::text) <= 1000 then focus.no_object
        else to_jsonb(left(focus.no_object::text, 1000))
    end::jsonb as no_object
from focus
left join sessions
    on
        focus.session_id = sessions.id
        and sessions.started_at >= '0001-01-01'
        and sessions.started_at < '10000-01-01'
