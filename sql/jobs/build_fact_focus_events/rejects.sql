-- The fields that can't be read. One row per field and focus event. Most events have none: they are left out first.
with suspicious as (
    select
        event_id,
        duration_seconds,
        intervention_type,
        intervention_completed,
        focus_score,
        no_object
    from stage
    where
        (duration_seconds is not null and etl_json_number(duration_seconds, 0, 2147483647) is null)
        or (intervention_type is not null and etl_json_text(intervention_type, 100) is null)
        or (intervention_completed is not null and etl_json_boolean(intervention_completed) is null)
        or (focus_score is not null and etl_json_number(focus_score, 0, 100) is null)
        or no_object is not null
)

select
    'session_events' as source_table,
    event_id::text as source_id,
    unreadable.field,
    unreadable.reason,
    jsonb_build_object(unreadable.field, unreadable.given) as payload
from suspicious
cross join
    lateral (
        values
        (
            'durationSeconds', 'no number from 0 to 2147483647', duration_seconds,
            etl_json_number(duration_seconds, 0, 2147483647) is null
        ),
        (
            'interventionType', 'no text of at most 100 characters', intervention_type,
            etl_json_text(intervention_type, 100) is null
        ),
        (
            'interventionCompleted', 'not true or false', intervention_completed,
            etl_json_boolean(intervention_completed) is null
        ),
        ('focusScore', 'no number from 0 to 100', focus_score, etl_json_number(focus_score, 0, 100) is null),
        ('metadata_json', 'no object', no_object, true)
    ) as unreadable (field, reason, given, is_unreadable)
where
    unreadable.is_unreadable
    and jsonb_typeof(unreadable.given) <> 'null'
