-- A source of any scale for measurements, after sql/source/schema.sql. Deterministic; two days, 2025-01-14 and 2025-01-15.
-- Variables: scale (1 = per day: 10,000 sessions, 200,000 events, 4,000 submissions, 3,000 recommendations; a fraction
-- is welcome).
insert into tenants (id, name, type, country, timezone, is_active, created_at, updated_at)
select md5('t' || n)::uuid, 'Tenant ' || n, 'SCHOOL', 'US', 'America/New_York', true, '2024-01-01', '2024-01-01'
from generate_series(0, 19) as s (n);

insert into learners (id, tenant_id, grade_band, grade_level, is_active, created_at, updated_at)
select md5('l' || n)::uuid, md5('t' || n % 20)::uuid, 'K5', n % 6, true, '2024-01-02', '2024-01-02'
from generate_series(0, (10000 * :scale)::integer - 1) as s (n);

insert into users (id, tenant_id, role, is_active, created_at, updated_at)
select md5('u' || n)::uuid, md5('t' || n % 20)::uuid, 'TEACHER', true, '2024-01-02', '2024-01-02'
from generate_series(0, (2000 * :scale)::integer - 1) as s (n);

insert into skills (id, code, name, subject, grade_band, depth, created_at, updated_at)
select
    md5('s' || n)::uuid, 'S' || n, 'Skill ' || n,
    (array['ELA', 'MATH', 'SCIENCE', 'SEL', 'SPEECH'])[n % 5 + 1]::skill_subject, 'K5', 0, '2024-01-01', '2024-01-01'
from generate_series(0, 499) as s (n);

insert into learner_skill_states (id, tenant_id, learner_id, skill_id, mastery_level, updated_at)
select
    md5('ls' || l || '.' || k)::uuid, md5('t' || l % 20)::uuid, md5('l' || l)::uuid, md5('s' || (l * 7 + k * 11) % 500)::uuid,
    (l * 13 + k * 17) % 101 / 100.0, timestamptz '2025-01-01 00:00Z' + (l + k) % 15 * interval '1 day'
from generate_series(0, (10000 * :scale)::integer - 1) as a (l), generate_series(0, 9) as b (k);

insert into sessions (
    id, tenant_id, learner_id, session_type, origin, started_at, ended_at, duration_ms, created_at, updated_at
)
select
    md5('se' || d || '.' || n)::uuid, md5('t' || n % 20)::uuid, md5('l' || n % (10000 * :scale)::integer)::uuid,
    (array['LEARNING', 'HOMEWORK', 'PRACTICE'])[n % 3 + 1]::session_type, 'WEB_LEARNER',
    day + n % 80000 * interval '1 second', day + (n % 80000 + 1200) * interval '1 second', 1200000, day, day
from generate_series(0, 1) as a (d), generate_series(0, (10000 * :scale)::integer - 1) as b (n),
lateral (select timestamptz '2025-01-14 00:00Z' + d * interval '1 day') as c (day);

insert into session_events (id, session_id, tenant_id, learner_id, event_type, event_time, metadata_json, created_at)
select
    md5('e' || d || '.' || n || '.' || e)::uuid, md5('se' || d || '.' || n)::uuid, md5('t' || n % 20)::uuid,
    md5('l' || n % (10000 * :scale)::integer)::uuid,
    (array[
        'ACTIVITY_STARTED', 'ACTIVITY_RESPONSE_SUBMITTED', 'ACTIVITY_RESPONSE_SUBMITTED', 'ACTIVITY_COMPLETED',
        'ACTIVITY_SKIPPED', 'HOMEWORK_HINT_REQUESTED', 'ACTIVITY_RESPONSE_SUBMITTED', 'ACTIVITY_STARTED',
        'ACTIVITY_COMPLETED', 'FOCUS_LOSS_DETECTED'
    ])[e % 10 + 1],
    day + (n % 80000 + e * 60) * interval '1 second',
    case when e % 10 = 9 then '{"durationSeconds": 30, "focusScore": 71.5}' else '{"isCorrect": true}' end::jsonb, day
from generate_series(0, 1) as a (d), generate_series(0, (10000 * :scale)::integer - 1) as b (n), generate_series(0, 19) as f (e),
lateral (select timestamptz '2025-01-14 00:00Z' + d * interval '1 day') as c (day);

insert into homework_submissions (
    id, tenant_id, learner_id, session_id, subject, grade_band, status, step_count, steps_completed, created_at, updated_at
)
select
    md5('h' || d || '.' || n)::uuid, md5('t' || n % 20)::uuid, md5('l' || n % (10000 * :scale)::integer)::uuid,
    md5('se' || d || '.' || n)::uuid, 'MATH', 'K5', 'COMPLETED', 5, 5, day + n * interval '10 second' / :scale, day
from generate_series(0, 1) as a (d), generate_series(0, (4000 * :scale)::integer - 1) as b (n),
lateral (select timestamp '2025-01-14' + d * interval '1 day') as c (day);

insert into homework_steps (id, submission_id, step_order, is_completed, hint_revealed, created_at, updated_at)
select md5('hs' || id || k)::uuid, id, k, true, k = 1, created_at, created_at
from homework_submissions, generate_series(1, 5) as s (k);

insert into homework_step_responses (id, step_id, is_correct, created_at)
select md5('hr' || id)::uuid, id, true, created_at from homework_steps;

insert into recommendations (
    id, tenant_id, learner_id, skill_id, recommendation_type, source, was_accepted, created_at, responded_at
)
select
    md5('r' || d || '.' || n)::uuid, md5('t' || n % 20)::uuid, md5('l' || n % (10000 * :scale)::integer)::uuid,
    md5('s' || n % 500)::uuid, 'PRACTICE', 'ENGINE', true, day + n * interval '20 second' / :scale,
    day + n * interval '20 second' / :scale + interval '5 minute'
from generate_series(0, 1) as a (d), generate_series(0, (3000 * :scale)::integer - 1) as b (n),
lateral (select timestamptz '2025-01-14 00:00Z' + d * interval '1 day') as c (day);

analyze;
