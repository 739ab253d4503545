-- Days of a source for measurements, after source.sql, which runs it. Deterministic; days that are there already must
-- not be asked for again. At scale and density 1 a day has 10,000 sessions, 200,000 events (a tenth of them of focus),
-- 4,000 submissions of 5 steps and 3,000 recommendations.
-- Variables: scale (that of the learners), density, first_day, last_day.
set timezone to 'UTC';

create temporary table bench_day as
select
    day::date - date '2025-01-14' as d,
    day,
    day::timestamp as day_utc,
    (10000 * :scale)::integer as learners,
    (10000 * :scale * :density)::integer as number
from generate_series(timestamptz :'first_day', timestamptz :'last_day', interval '1 day') as s (day);

insert into sessions (
    id, tenant_id, learner_id, session_type, origin, started_at, ended_at, duration_ms, created_at, updated_at
)
select
    md5('se' || d || '.' || n)::uuid,
    md5('t' || n % 20)::uuid,
    md5('l' || n % learners)::uuid,
    (array['LEARNING', 'HOMEWORK', 'PRACTICE'])[n % 3 + 1]::session_type,
    'WEB_LEARNER',
    day + n % 80000 * interval '1 second',
    day + (n % 80000 + 1200) * interval '1 second',
    1200000,
    day as created_at,
    day as updated_at
from bench_day, generate_series(0, number - 1) as s (n);

insert into session_events (id, session_id, tenant_id, learner_id, event_type, event_time, metadata_json, created_at)
select
    md5('e' || d || '.' || n || '.' || e)::uuid,
    md5('se' || d || '.' || n)::uuid,
    md5('t' || n % 20)::uuid,
    md5('l' || n % learners)::uuid,
    (array[
        'ACTIVITY_STARTED', 'ACTIVITY_RESPONSE_SUBMITTED', 'ACTIVITY_RESPONSE_SUBMITTED', 'ACTIVITY_COMPLETED',
        'ACTIVITY_SKIPPED', 'HOMEWORK_HINT_REQUESTED', 'ACTIVITY_RESPONSE_SUBMITTED', 'ACTIVITY_STARTED',
        'ACTIVITY_COMPLETED', 'FOCUS_LOSS_DETECTED'
    ])[e % 10 + 1],
    day + (n % 80000 + e * 60) * interval '1 second',
    case when e % 10 = 9 then '{"durationSeconds": 30, "focusScore": 71.5}' else '{"isCorrect": true}' end::jsonb,
    day
from bench_day, generate_series(0, number - 1) as s (n), generate_series(0, 19) as f (e);

insert into homework_submissions (
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
    md5('h' || d || '.' || n)::uuid,
    md5('t' || n % 20)::uuid,
    md5('l' || n % learners)::uuid,
    md5('se' || d || '.' || n)::uuid,
    'MATH',
    'K5',
    'COMPLETED',
    5,
    5,
    day_utc + n * (interval '100000 second' / number),
    day_utc
from bench_day, generate_series(0, number * 2 / 5 - 1) as s (n);

insert into homework_steps (id, submission_id, step_order, is_completed, hint_revealed, created_at, updated_at)
select
    md5('hs' || homework.id || k)::uuid,
    homework.id,
    k,
    true,
    k = 1,
    homework.created_at,
    homework.created_at as updated_at
from bench_day, homework_submissions as homework, generate_series(1, 5) as s (k)
where homework.created_at >= day_utc and homework.created_at < day_utc + interval '1 day';

insert into homework_step_responses (id, step_id, is_correct, created_at)
select
    md5('hr' || step.id)::uuid,
    step.id,
    true,
    step.created_at
from bench_day, homework_steps as step
where step.created_at >= day_utc and step.created_at < day_utc + interval '1 day';

insert into recommendations (
    id, tenant_id, learner_id, skill_id, recommendation_type, source, was_accepted, created_at, responded_at
)
select
    md5('r' || d || '.' || n)::uuid,
    md5('t' || n % 20)::uuid,
    md5('l' || n % learners)::uuid,
    md5('s' || n % 500)::uuid,
    'PRACTICE',
    'ENGINE',
    true,
    day + n * (interval '200000 second' / number),
    day + n * (interval '200000 second' / number) + interval '5 minute'
from bench_day, generate_series(0, number * 3 / 10 - 1) as s (n);

drop table bench_day;

analyze;
