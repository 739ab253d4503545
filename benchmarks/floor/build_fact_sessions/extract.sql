-- Source: the sessions started on the day, with counts over their events. Variables: day.
copy (
    select
        sessions.id,
        sessions.tenant_id,
        sessions.learner_id,
        sessions.session_type::text,
        sessions.origin::text,
        coalesce(sessions.duration_ms, 0) / 1000,
        coalesce(counted.activities_assigned, 0)::integer,
        coalesce(counted.activities_completed, 0)::integer,
        coalesce(counted.activities_skipped, 0)::integer,
        coalesce(counted.correct_responses, 0)::integer,
        coalesce(counted.incorrect_responses, 0)::integer,
        coalesce(counted.hints_used, 0)::integer,
        coalesce(counted.focus_breaks_count, 0)::integer,
        coalesce(counted.focus_interventions_count, 0)::integer,
        sessions.started_at,
        sessions.ended_at
    from sessions
    left join (
        select
            events.session_id,
            count(*) filter (where events.event_type = 'ACTIVITY_STARTED') as activities_assigned,
            count(*) filter (where events.event_type = 'ACTIVITY_COMPLETED') as activities_completed,
            count(*) filter (where events.event_type = 'ACTIVITY_SKIPPED') as activities_skipped,
            count(*) filter (
                where events.event_type = 'ACTIVITY_RESPONSE_SUBMITTED'
                and events.metadata_json ->> 'isCorrect' = 'true'
            ) as correct_responses,
            count(*) filter (
                where events.event_type = 'ACTIVITY_RESPONSE_SUBMITTED'
                and events.metadata_json ->> 'isCorrect' = 'false'
            ) as incorrect_responses,
            count(*) filter (where events.event_type = 'HOMEWORK_HINT_REQUESTED') as hints_used,
            count(*) filter (where events.event_type = 'FOCUS_BREAK_STARTED') as focus_breaks_count,
            count(*) filter (where events.event_type = 'FOCUS_INTERVENTION_SHOWN') as focus_interventions_count
        from sessions as started
        inner join session_events as events on started.id = events.session_id
        where started.started_at >= :'day'::timestamptz and started.started_at < :'day'::timestamptz + interval '1 day'
        group by events.session_id
    ) as counted on sessions.id = counted.session_id
    where sessions.started_at >= :'day'::timestamptz and sessions.started_at < :'day'::timestamptz + interval '1 day'
) to stdout (format binary); -- noqa: PRS
