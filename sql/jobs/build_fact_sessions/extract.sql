-- Source: sessions started in [day_start, day_end), with counts over all events of theirs, those after midnight too.
-- One row per session. unreadable_responses: those whose isCorrect says neither true nor false, with what it says, cut;
-- they are few, and are fetched for the sessions alone that have some.
-- Variables: day_start, day_end.
with events as (
    select
        session_events.session_id,
        session_events.event_type::text as event_type,
        case
            when session_events.event_type::text = 'ACTIVITY_RESPONSE_SUBMITTED'
                then lower((session_events.metadata_json ->> 'isCorrect') collate "C")
        end as answer,
        case
            when session_events.event_type::text = 'ACTIVITY_RESPONSE_SUBMITTED'
                then jsonb_typeof(session_events.metadata_json::jsonb) not in ('object', 'null')
        end as is_no_object
    from sessions
    inner join session_events on sessions.id = session_events.session_id
    where
        sessions.started_at >= :'day_start'::timestamptz
        and sessions.started_at < :'day_end'::timestamptz
),

counted as (
    select
        session_id,
        count(*) filter (where event_type = 'ACTIVITY_STARTED') as activities_assigned,
        count(*) filter (where event_type = 'ACTIVITY_COMPLETED') as activities_completed,
        count(*) filter (where event_type = 'ACTIVITY_SKIPPED') as activities_skipped,
        count(*) filter (where answer = 'true') as correct_responses,
        count(*) filter (where answer = 'false') as incorrect_responses,
        count(*) filter (where event_type = 'HOMEWORK_HINT_REQUESTED') as hints_used,
        count(*) filter (where event_type = 'FOCUS_BREAK_STARTED') as focus_breaks_count,
        count(*) filter (where event_type = 'FOCUS_INTERVENTION_SHOWN') as focus_interventions_count,
        count(*) filter (where coalesce(answer not in ('true', 'false'), is_no_object)) as unreadable_responses
    from events
    group by session_id
)

select
    sessions.id::uuid as session_id,
    sessions.tenant_id::uuid as tenant_id,
    sessions.learner_id::uuid as learner_id,
    sessions.session_type::text as session_type,
    sessions.origin::text as origin,
    sessions.duration_ms::bigint as duration_ms,
    sessions.started_at::timestamptz as started_at,
    sessions.ended_at::timestamptz as ended_at,
    coalesce(counted.activities_assigned, 0)::integer as activities_assigned,
    coalesce(counted.activities_completed, 0)::integer as activities_completed,
    coalesce(counted.activities_skipped, 0)::integer as activities_skipped,
    coalesce(counted.correct_responses, 0)::integer as correct_responses,
    coalesce(counted.incorrect_responses, 0)::integer as incorrect_responses,
    coalesce(counted.hints_used, 0)::integer as hints_used,
    coalesce(counted.focus_breaks_count, 0)::integer as focus_breaks_count,
    coalesce(counted.focus_interventions_count, 0)::integer as focus_interventions_count,
    case
        when counted.unreadable_responses > 0
            then (
                select
                    jsonb_agg(
                        case
                            when jsonb_typeof(responses.metadata_json::jsonb) = 'object'
                                then jsonb_build_object(
                                    'id', responses.id,
                                    'field', 'isCorrect',
                                    'reason', 'not true or false',
                                    'value', case
                                        when length((responses.metadata_json::jsonb -> 'isCorrect')::text) <= 200
                                            then responses.metadata_json::jsonb -> 'isCorrect'
                                        else to_jsonb(left(responses.metadata_json ->> 'isCorrect', 100))
                                    end
                                )
                            else jsonb_build_object(
                                'id', responses.id,
                                'field', 'metadata_json',
                                'reason', 'no object',
                                'value', to_jsonb(left(responses.metadata_json::text, 100))
                            )
                        end
                    )
                from session_events as responses
                where
                    responses.session_id = sessions.id
                    and responses.event_type::text = 'ACTIVITY_RESPONSE_SUBMITTED'
                    and coalesce(
                        lower((responses.metadata_json ->> 'isCorrect') collate "C") not in ('true', 'false'),
                        jsonb_typeof(responses.metadata_json::jsonb) not in ('object', 'null')
                    )
            )
    end::jsonb as unreadable_responses
from sessions
left join counted on sessions.id = counted.session_id
where
    sessions.started_at >= :'day_start'::timestamptz
    and sessions.started_at < :'day_end'::timestamptz
