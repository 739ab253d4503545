-- Source: sessions started in [day_start, day_end), with counts over all events of theirs, those after midnight too.
-- One row per session. unreadable_responses: those whose isCorrect says neither true nor false, with what it says, cut.
-- Variables: day_start, day_end.
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
    counted.unreadable_responses::jsonb as unreadable_responses
from sessions
left join (
    select
        events.session_id,
        count(*) filter (where events.event_type::text = 'ACTIVITY_STARTED') as activities_assigned,
        count(*) filter (where events.event_type::text = 'ACTIVITY_COMPLETED') as activities_completed,
        count(*) filter (where events.event_type::text = 'ACTIVITY_SKIPPED') as activities_skipped,
        count(*) filter (
            where events.event_type::text = 'ACTIVITY_RESPONSE_SUBMITTED'
            and lower(events.metadata_json ->> 'isCorrect') = 'true'
        ) as correct_responses,
        count(*) filter (
            where events.event_type::text = 'ACTIVITY_RESPONSE_SUBMITTED'
            and lower(events.metadata_json ->> 'isCorrect') = 'false'
        ) as incorrect_responses,
        count(*) filter (where events.event_type::text = 'HOMEWORK_HINT_REQUESTED') as hints_used,
        count(*) filter (where events.event_type::text = 'FOCUS_BREAK_STARTED') as focus_breaks_count,
        count(*) filter (where events.event_type::text = 'FOCUS_INTERVENTION_SHOWN') as focus_interventions_count,
        jsonb_agg(
            case
                when jsonb_typeof(events.metadata_json::jsonb) = 'object'
                    then jsonb_build_object(
                        'id', events.id,
                        'field', 'isCorrect',
                        'reason', 'not true or false',
                        'value', case
                            when length((events.metadata_json::jsonb -> 'isCorrect')::text) <= 200
                                then events.metadata_json::jsonb -> 'isCorrect'
                            else to_jsonb(left(events.metadata_json ->> 'isCorrect', 100))
                        end
                    )
                else jsonb_build_object(
                    'id', events.id,
                    'field', 'metadata_json',
                    'reason', 'no object',
                    'value', to_jsonb(left(events.metadata_json::text, 100))
                )
            end
        ) filter (
            where events.event_type::text = 'ACTIVITY_RESPONSE_SUBMITTED'
            and coalesce(
                lower(events.metadata_json ->> 'isCorrect') not in ('true', 'false'),
                jsonb_typeof(events.metadata_json::jsonb) not in ('object', 'null')
            )
        ) as unreadable_responses
    from sessions as started
    inner join session_events as events on started.id = events.session_id
    where
        started.started_at >= :'day_start'::timestamptz
        and started.started_at < :'day_end'::timestamptz
    group by events.session_id
) as counted on sessions.id = counted.session_id
where
    sessions.started_at >= :'day_start'::timestamptz
    and sessions.started_at < :'day_end'::timestamptz
