-- A source of any scale for measurements, after sql/source/schema.sql. Deterministic. Tenants, learners, users, skills,
-- skill states, and the days of days.sql; if nothing else is said 2025-01-14 and 2025-01-15.
-- Variables: scale (1 = 10,000 learners, 2,000 users, 100,000 skill states; a fraction is welcome); if set, first_day,
-- last_day, and density (how much of a day there is: 1 = as many sessions as learners).
set timezone to 'UTC';

\if :{?first_day}
\else
\set first_day 2025-01-14
\set last_day 2025-01-15
\endif
\if :{?density}
\else
\set density 1
\endif

insert into tenants (id, name, type, country, timezone, is_active, created_at, updated_at)
select
    md5('t' || n)::uuid,
    'Tenant ' || n,
    'SCHOOL',
    'US',
    'America/New_York',
    true,
    '2024-01-01',
    '2024-01-01'
from generate_series(0, 19) as s (n);

insert into learners (id, tenant_id, grade_band, grade_level, is_active, created_at, updated_at)
select
    md5('l' || n)::uuid,
    md5('t' || n % 20)::uuid,
    'K5',
    n % 6,
    true,
    '2024-01-02',
    '2024-01-02'
from generate_series(0, (10000 * :scale)::integer - 1) as s (n);

insert into users (id, tenant_id, role, is_active, created_at, updated_at)
select
    md5('u' || n)::uuid,
    md5('t' || n % 20)::uuid,
    'TEACHER',
    true,
    '2024-01-02',
    '2024-01-02'
from generate_series(0, (2000 * :scale)::integer - 1) as s (n);

insert into skills (id, code, name, subject, grade_band, depth, created_at, updated_at)
select
    md5('s' || n)::uuid,
    'S' || n,
    'Skill ' || n,
    (array['ELA', 'MATH', 'SCIENCE', 'SEL', 'SPEECH'])[n % 5 + 1]::skill_subject,
    'K5',
    0,
    '2024-01-01',
    '2024-01-01'
from generate_series(0, 499) as s (n);

insert into learner_skill_states (id, tenant_id, learner_id, skill_id, mastery_level, updated_at)
select
    md5('ls' || l || '.' || k)::uuid,
    md5('t' || l % 20)::uuid,
    md5('l' || l)::uuid,
    md5('s' || (l * 7 + k * 11) % 500)::uuid,
    (l * 13 + k * 17) % 101 / 100.0,
    timestamptz '2025-01-01 00:00Z' + (l + k) % 15 * interval '1 day'
from
    generate_series(0, (10000 * :scale)::integer - 1) as a (l),
    generate_series(0, 9) as b (k);

\ir days.sql
