-- One day of the demo source, always the same for the same day, whatever was made before it: sessions and their events,
-- homework, recommendations, and learners and skill states as they stand at the day's end.
-- Grain:      one row per session, event, submission, step, response and recommendation that begins on the day;
--             learners and skill states are moved forward in place, never back.
-- Parameters: day (a UTC day, YYYY-MM-DD).
-- Runs in one transaction (psql -1 -v day=2025-01-15 -f day.sql). Made twice it changes nothing.

set local time zone 'UTC';

select pg_advisory_xact_lock(hashtextextended('demo.days', 0));

insert into demo.days (day) values (:'day') on conflict do nothing;

-- Who is there on the day; number 13 has left in December. A weekend has a third of a weekday's rows.
create temporary table day_learner on commit drop as
select
    number,
    learner_id,
    demo.id('school ' || school) as tenant_id,
    first_grade
from demo.learners
where number <> 13 or :'day'::date < date '2024-12-20';

create temporary table day_volume on commit drop as
select case when extract(isodow from :'day'::date) < 6 then 1.0 else 1.0 / 3 end as share;

-- Some 300 sessions in the school hours and evenings of North America: 13 h to 24 h in UTC, a few before 4 h.
-- One in 33 is still open, and those that begin late run past midnight.
create temporary table day_session on commit drop as
select
    demo.id(key) as id,
    key,
    learner.number as learner_number,
    learner.learner_id,
    learner.tenant_id,
    drawn.session_type,
    case
        when drawn.session_type = 'HOMEWORK' then 'HOMEWORK_HELPER'
        else demo.pick(key || ' origin', '{MOBILE_LEARNER, WEB_LEARNER, WEB_LEARNER, TEACHER_LED, PARENT_APP, SYSTEM}')
    end as origin,
    :'day'::timestamptz + floor(drawn.hour * 3600000) * interval '1 ms' as started_at,
    floor(drawn.minutes * 60000) * interval '1 ms' as length,
    demo.draw(key || ' open') < 0.03 as is_open
from day_volume
cross join generate_series(1, (300 * share)::integer) as number
cross join concat('session ', :'day', ' ', number) as key
inner join day_learner as learner on learner.number = 1 + floor(demo.draw(key || ' learner') * 400)
cross join lateral (
    select
        demo.pick(
            key || ' type',
            '{LEARNING, LEARNING, LEARNING, PRACTICE, PRACTICE, HOMEWORK, HOMEWORK, SEL, BASELINE, ASSESSMENT}'
        ) as session_type,
        case
            when demo.draw(key || ' early') < 0.12 then demo.draw(key || ' hour') * 4
            else 13 + demo.draw(key || ' hour') * 11
        end as hour,
        4 + power(demo.draw(key || ' minutes'), 2) * 40 as minutes
) as drawn;

insert into sessions
(id, tenant_id, learner_id, session_type, origin, started_at, ended_at, duration_ms, created_at, updated_at)
select
    id,
    tenant_id,
    learner_id,
    session_type::session_type as session_type,
    origin::session_origin as origin,
    started_at,
    case when not is_open then started_at + length end as ended_at,
    case when not is_open then 1000 * extract(epoch from length) end::integer as duration_ms,
    started_at as created_at,
    started_at + length as updated_at
from day_session
on conflict do nothing;

-- Some 20 events a session, spread over its length, in rounds of five: an activity starts, there are answers and at the
-- fourth place something else, it ends.
create temporary table day_event on commit drop as
select
    demo.id(event.key) as id,
    event.key,
    session.id as session_id,
    session.tenant_id,
    session.learner_id,
    session.started_at
    + floor(extract(epoch from session.length) * 1000 * (number - demo.draw(event.key || ' time')) / events)
    * interval '1 ms' as event_time,
    case
        when number % 5 = 1 then 'ACTIVITY_STARTED'
        when number % 5 in (2, 3) then 'ACTIVITY_RESPONSE_SUBMITTED'
        when number % 5 = 0 and demo.draw(event.key || ' type') < 0.75 then 'ACTIVITY_COMPLETED'
        when number % 5 = 0 then 'ACTIVITY_SKIPPED'
        when session.session_type = 'HOMEWORK' and demo.draw(event.key || ' help') < 0.6 then 'HOMEWORK_HINT_REQUESTED'
        else demo.pick(
            event.key || ' type',
            '{ACTIVITY_RESPONSE_SUBMITTED, ACTIVITY_RESPONSE_SUBMITTED, SCREEN_ROTATED, FOCUS_LOSS_DETECTED,
            FOCUS_BREAK_STARTED, FOCUS_BREAK_ENDED, FOCUS_INTERVENTION_SHOWN, FOCUS_INTERVENTION_COMPLETED}'
        )
    end as event_type
from day_session as session
cross join lateral (select 8 + floor(demo.draw(session.key || ' events') * 25)::integer as events) as drawn
cross join generate_series(1, events) as number
cross join concat(session.key, ' event ', number) as event (key);

-- What each type of event says; one event in 100 has metadata that no one can read.
insert into session_events (id, session_id, tenant_id, learner_id, event_type, event_time, metadata_json, created_at)
select
    id,
    session_id,
    tenant_id,
    learner_id,
    event_type,
    event_time,
    case
        when demo.draw(key || ' poison') >= 0.01 then said
        when demo.draw(key || ' kind') < 0.2 then null
        when demo.draw(key || ' kind') < 0.3 then '["not", "an", "object"]'
        when demo.draw(key || ' kind') < 0.4 then '"not an object"'
        when event_type = 'ACTIVITY_RESPONSE_SUBMITTED' then said || '{"isCorrect": "maybe"}'
        when demo.draw(key || ' kind') < 0.7 then said || '{"focusScore": "n/a"}'
        else said || '{"durationSeconds": -5}'
    end as metadata_json,
    event_time as created_at
from day_event
cross join
    lateral (
        select
            case when event_type = 'ACTIVITY_RESPONSE_SUBMITTED' then demo.draw(key || ' correct') < 0.72 end
                as is_correct,
            case
                when event_type in ('FOCUS_LOSS_DETECTED', 'FOCUS_BREAK_ENDED', 'FOCUS_INTERVENTION_COMPLETED')
                    then 5 + floor(demo.draw(key || ' seconds') * 175)
            end as seconds,
            case
                when event_type in ('FOCUS_INTERVENTION_SHOWN', 'FOCUS_INTERVENTION_COMPLETED')
                    then demo.pick(key || ' intervention', '{BREATHING, MOVEMENT, MUSIC, CALM_CORNER}')
            end as intervention,
            case when event_type = 'FOCUS_INTERVENTION_COMPLETED' then demo.draw(key || ' done') < 0.8 end as is_done,
            case
                when event_type in ('FOCUS_LOSS_DETECTED', 'FOCUS_INTERVENTION_SHOWN')
                    then round(demo.draw(key || ' score')::numeric * 100, 2)
            end as score
    ) as drawn
cross join
    lateral (
        select jsonb_strip_nulls(jsonb_build_object(
            'isCorrect', is_correct,
            'durationSeconds', seconds,
            'interventionType', intervention,
            'interventionCompleted', is_done,
            'focusScore', score
        )) as said
    ) as message
on conflict do nothing;

-- Every homework session hands in one piece of homework, and some come without a session: about 80 in all. One in five
-- has only been received or has failed, and has no steps.
create temporary table day_homework on commit drop as
select
    demo.id(key) as id,
    key,
    learner.learner_id,
    learner.tenant_id,
    session_id,
    demo.pick(key || ' subject', '{ELA, ELA, MATH, MATH, MATH, SCIENCE, OTHER}') as subject,
    demo.grade_band(learner.first_grade) as grade_band,
    status,
    case when status in ('RECEIVED', 'FAILED') then 0 else steps end as step_count,
    case status when 'COMPLETED' then steps when 'SCAFFOLDED' then steps / 2 else 0 end as steps_completed,
    submitted_at,
    (1 + floor(demo.draw(key || ' minutes') * 8)) * interval '1 minute' as step_length
from (
    select
        'homework of ' || key as key,
        id as session_id,
        learner_number,
        started_at as submitted_at
    from day_session
    where session_type = 'HOMEWORK'
    union all
    select
        key,
        null as session_id,
        1 + floor(demo.draw(key || ' learner') * 400) as learner_number,
        :'day'::timestamptz + floor(sqrt(demo.draw(key || ' time')) * 86400000) * interval '1 ms' as submitted_at
    from day_volume
    cross join generate_series(1, (24 * share)::integer) as number
    cross join concat('homework ', :'day', ' ', number) as key
) as homework
inner join day_learner as learner on homework.learner_number = learner.number
cross join lateral (
    select
        demo.pick(
            key || ' status',
            '{COMPLETED, COMPLETED, COMPLETED, COMPLETED, COMPLETED, SCAFFOLDED, SCAFFOLDED, PARSED, RECEIVED, FAILED}'
        ) as status,
        1 + floor(demo.draw(key || ' steps') * 8)::integer as steps
) as drawn;

insert into homework_submissions
(
    id,
    tenant_id,
    learner_id,
    session_id,
    subject,
    grade_band,
    status,
    step_count,
    steps_completed,
    created_at,
    updated_at
)
select
    id,
    tenant_id,
    learner_id,
    session_id,
    subject,
    grade_band,
    status::homework_status as status,
    step_count,
    steps_completed,
    submitted_at at time zone 'UTC' as created_at,
    (submitted_at + steps_completed * step_length) at time zone 'UTC' as updated_at
from day_homework
on conflict do nothing;

create temporary table day_step on commit drop as
select
    demo.id(step.key) as id,
    step.key,
    homework.id as submission_id,
    number,
    number <= homework.steps_completed as is_completed,
    number <= homework.steps_completed + 1 as is_tried,
    homework.submitted_at,
    homework.step_length
from day_homework as homework
cross join generate_series(1, homework.step_count) as number
cross join concat(homework.key, ' step ', number) as step (key);

insert into homework_steps (id, submission_id, step_order, is_completed, hint_revealed, created_at, updated_at)
select
    id,
    submission_id,
    number as step_order,
    is_completed,
    is_tried and demo.draw(key || ' hint') < 0.25 as hint_revealed,
    submitted_at at time zone 'UTC' as created_at,
    (submitted_at + case when is_completed then number else 0 end * step_length) at time zone 'UTC' as updated_at
from day_step
on conflict do nothing;

-- One to three answers to each step that is done, the last one right, and to the step after it; one in 40 is unmarked.
insert into homework_step_responses (id, step_id, is_correct, created_at)
select
    demo.id(key || ' answer ' || answer) as id,
    id as step_id,
    case
        when demo.draw(key || ' marked ' || answer) < 0.975 then is_completed and answer = answers
    end as is_correct,
    (submitted_at + (number - 1 + answer / 4.0) * step_length) at time zone 'UTC' as created_at
from day_step
cross join lateral (select 1 + floor(demo.draw(key || ' answers') * 3)::integer as answers) as drawn
cross join generate_series(1, answers) as answer
where is_tried
on conflict do nothing;

-- Some 60 recommendations, a seventh of them without a skill: half are accepted, a fifth declined, within eight hours.
insert into recommendations (
    id,
    tenant_id,
    learner_id,
    skill_id,
    recommendation_type,
    source,
    was_accepted,
    was_declined,
    created_at,
    responded_at
)
select
    demo.id(key) as id,
    learner.tenant_id,
    learner.learner_id,
    case
        when demo.draw(key || ' named') < 0.85 then demo.id('skill ' || 1 + floor(demo.draw(key || ' skill') * 60))
    end as skill_id,
    demo.pick(key || ' type', '{NEXT_SKILL, NEXT_SKILL, REVIEW, FOCUS_BREAK, DIFFICULTY_DOWN}') as recommendation_type,
    demo.pick(key || ' source', '{AI_TUTOR, AI_TUTOR, RULES, TEACHER}') as source,
    case when answer < 0.7 then answer < 0.5 end as was_accepted,
    case when answer < 0.7 then answer >= 0.5 end as was_declined,
    created_at,
    case when answer < 0.7 then created_at + floor(delay * 28800000) * interval '1 ms' end as responded_at
from day_volume
cross join generate_series(1, (60 * share)::integer) as number
cross join concat('recommendation ', :'day', ' ', number) as key
inner join day_learner as learner on learner.number = 1 + floor(demo.draw(key || ' learner') * 400)
cross join
    lateral (
        select
            demo.draw(key || ' answer') as answer,
            power(demo.draw(key || ' delay'), 3) as delay,
            :'day'::timestamptz + floor(sqrt(demo.draw(key || ' time')) * 86400000) * interval '1 ms' as created_at
    ) as drawn
on conflict do nothing;

-- Each learner moves up a grade every 200 days, two learners a day, until grade 12. Those who did so on a day that was
-- never made are brought up to date.
update learners
set
    grade_level = due.grade,
    grade_band = demo.grade_band(due.grade),
    updated_at = due.promoted_at
from (
    select
        learner_id,
        least(12, first_grade + days / 200) as grade,
        :'day'::timestamptz - days % 200 * interval '1 day' + interval '7 hours' + number * interval '1 minute'
            as promoted_at
    from day_learner
    cross join lateral (select :'day'::date - date '2024-08-20' + number % 200 as days) as since
    where days >= 200
) as due
where
    due.learner_id = learners.id
    and due.grade > learners.grade_level
    and due.promoted_at > coalesce(learners.updated_at, learners.created_at);

-- Four skill states in five are practised, each every 5 to 30 days: mastery climbs towards a ceiling, with better and
-- worse days. Those that were practised last on a day that was never made are brought up to date.
update learner_skill_states as state
set
    mastery_level = round(due.mastery::numeric, 3),
    updated_at = due.practised_at
from (
    select
        id,
        :'day'::timestamptz - days % period * interval '1 day'
        + floor(demo.draw(key || ' time') * 86400) * interval '1 second' as practised_at,
        greatest(0.01, least(1, ceiling * times / (times + 4) + (demo.draw(key || times) - 0.5) / 5)) as mastery
    from learner_skill_states
    cross join concat('practice ', id) as key
    cross join
        lateral (
            select
                5 + floor(demo.draw(key || ' period') * 26)::integer as period,
                0.6 + demo.draw(key || ' ceiling') * 0.45 as ceiling
        ) as drawn
    cross join
        lateral (
            select :'day'::date - date '2024-08-21' + floor(demo.draw(key || ' phase') * period)::integer as days
        ) as since
    cross join lateral (select days / period as times) as practice
    where times >= 1 and demo.draw(key || ' at all') < 0.8
) as due
where due.id = state.id and due.practised_at > state.updated_at;
