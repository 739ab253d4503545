-- The fields that can't be read. One row per field of a session, and per response whose isCorrect says nothing.
select
    'sessions' as source_table,
    session_id::text as source_id,
    'duration_ms' as field,
    'negative' as reason,
    jsonb_build_object('duration_ms', duration_ms) as payload
from stage
where duration_ms < 0
union all
select
    'sessions' as source_table,
    session_id::text as source_id,
    'ended_at' as field,
    'infinite' as reason,
    jsonb_build_object('ended_at', ended_at) as payload
from stage
where not isfinite(ended_at)
union all
select
    'session_events' as source_table,
    unreadable.response ->> 'id' as source_id,
    unreadable.response ->> 'field' as field,
    unreadable.response ->> 'reason' as reason,
    jsonb_build_object(unreadable.response ->> 'field', unreadable.response -> 'value') as payload
from stage
cross join jsonb_array_elements(stage.unreadable_responses) as unreadable (response)
