-- The demo source before its first day: 5 schools, 400 learners, 40 users, 60 skills and the first skill states,
-- all invented and always the same. What the demo alone needs (draws, known days) is in the schema "demo".
-- Grain:      one row per tenant, learner, user, skill, and learner and skill.
-- Parameters: none. Runs once, after source/schema.sql and in one transaction.

create schema demo;
comment on schema demo is 'Draws and days of the demo source; no part of the source itself.';

-- Every id and every draw comes from a text key, so the same key always gives the same data.
create function demo.id(key text) returns uuid language sql immutable parallel safe
as 'select md5(key)::uuid';
comment on function demo.id is 'The id of the thing that the key names.';

create function demo.draw(key text) returns double precision language sql immutable parallel safe
as 'select (hashtextextended(key, 0) & 1048575) / 1048576.0::double precision';
comment on function demo.draw is 'A number from 0 to 1 (1 excluded), evenly spread over the keys.';

create function demo.pick(key text, choices text[]) returns text language sql immutable parallel safe
as 'select choices[1 + floor(demo.draw(key) * cardinality(choices))::integer]';
comment on function demo.pick is 'One of the choices; one that is written twice comes twice as often.';

create table demo.days (day date primary key);
comment on table demo.days is 'The days whose data has been made.';

create table demo.learners (
    number integer primary key,
    learner_id uuid not null unique,
    school integer not null,
    first_grade integer not null
);
comment on table demo.learners is 'The learners by number, with the grade in which each began.';

create function demo.grade_band(grade integer) returns public.grade_band language sql immutable parallel safe
as $$
    select case when grade <= 5 then 'K5' when grade <= 8 then 'G6_8' else 'G9_12' end::public.grade_band
$$;
comment on function demo.grade_band is 'The band of a grade level.';

-- The fifth school knows little about itself.
insert into tenants (id, name, type, district_id, state, country, timezone, is_active, created_at, updated_at)
select
    demo.id('school ' || school.number) as id,
    school.name,
    school.type,
    case when school.district is not null then demo.id('district ' || school.district) end as district_id,
    school.state,
    school.country,
    school.timezone,
    school.is_active,
    timestamptz '2024-08-01 12:00Z' + school.number * interval '1 hour' as created_at,
    school.updated_at::timestamptz
from (
    values
    (1, 'Cedar Hollow Elementary', 'SCHOOL', 'north', 'OR', 'US', 'America/Los_Angeles', true, null),
    (2, 'Prairie Lantern Middle School', 'SCHOOL', 'north', 'KS', 'US', 'America/Chicago', true, null),
    (3, 'Bright Harbor High School', 'SCHOOL', null, 'MA', 'US', 'America/New_York', true, '2024-08-05 09:30Z'),
    (4, 'Juniper Ridge Speech Clinic', 'CLINIC', null, 'CO', 'US', 'America/Denver', true, null),
    (5, 'Tidepool Learning Cooperative', null, null, null, null, null, null, null)
) as school (number, name, type, district, state, country, timezone, is_active, updated_at);

insert into demo.learners (number, learner_id, school, first_grade)
select
    number,
    demo.id('learner ' || number) as learner_id,
    school,
    lowest + floor(demo.draw('grade ' || number) * (highest - lowest + 1))::integer as first_grade
from generate_series(1, 400) as number
inner join (
    values (1, 0, 5, 1, 120), (2, 6, 8, 121, 220), (3, 9, 12, 221, 320), (4, 0, 8, 321, 370), (5, 0, 12, 371, 400)
) as range (school, lowest, highest, first_number, last_number) on number between first_number and last_number;

-- Every 97th learner has no grade at all, every 50th is not active or does not say; number 13 left in December.
insert into learners (id, tenant_id, grade_band, grade_level, is_active, created_at, updated_at, deleted_at)
select
    learner_id,
    demo.id('school ' || school) as tenant_id,
    case when number % 97 <> 0 then demo.grade_band(first_grade) end as grade_band,
    case when number % 97 <> 0 then first_grade end as grade_level,
    case when number % 100 = 0 then false when number % 50 <> 0 then true end as is_active,
    timestamptz '2024-08-06 08:00Z' + number * interval '7 minutes' as created_at,
    case when number = 13 then timestamptz '2024-12-20 15:00Z' end as updated_at,
    case when number = 13 then timestamptz '2024-12-20 15:00Z' end as deleted_at
from demo.learners;

insert into users (id, tenant_id, role, is_active, created_at, updated_at, deleted_at)
select
    demo.id('user ' || number) as id,
    demo.id('school ' || 1 + number % 5) as tenant_id,
    case
        when number = 1 then 'PLATFORM_ADMIN'
        when number = 2 then 'SUPPORT'
        when number <= 4 then 'DISTRICT_ADMIN'
        else demo.pick('role ' || number, '{TEACHER, TEACHER, TEACHER, PARENT, PARENT, THERAPIST}')
    end as role,
    case when number % 20 = 0 then null else number % 17 <> 0 end as is_active,
    timestamptz '2024-08-02 09:00Z' + number * interval '25 minutes' as created_at,
    case when number = 7 then timestamptz '2024-11-29 17:00Z' end as updated_at,
    case when number = 7 then timestamptz '2024-11-29 17:00Z' end as deleted_at
from generate_series(1, 40) as number;

-- Ten skills a subject: the subject itself, and below it three topics in three grade bands.
insert into skills (id, code, name, description, subject, grade_band, parent_skill_id, depth, created_at, updated_at)
select
    demo.id('skill ' || number) as id,
    concat_ws('.', subject.code, grade_band, topic) as code,
    case when topic is null then subject.topics[1] else subject.topics[1 + topic] end as name,
    case when number % 7 <> 0 then 'Demo skill of ' || lower(subject.topics[1]) end as description,
    subject.code::skill_subject as subject,
    grade_band,
    case when topic is not null then demo.id('skill ' || number - number_in_subject) end as parent_skill_id,
    case when topic is null then 0 else 1 end as depth,
    timestamptz '2024-08-01 06:00Z' as created_at,
    null::timestamptz as updated_at
from (
    values
    (0, 'ELA', array['Language arts', 'Phonics', 'Reading', 'Writing']),
    (1, 'MATH', array['Mathematics', 'Number sense', 'Fractions', 'Geometry']),
    (2, 'SCIENCE', array['Science', 'Living things', 'Matter', 'Earth and space']),
    (3, 'SEL', array['Social and emotional learning', 'Naming feelings', 'Calming down', 'Working together']),
    (4, 'SPEECH', array['Speech', 'Sounds', 'Fluency', 'Conversation']),
    (5, 'OTHER', array['Other skills', 'Planning', 'Memory', 'Attention'])
) as subject (position, code, topics)
cross join generate_series(0, 9) as number_in_subject
cross join lateral (
    select
        1 + subject.position * 10 + number_in_subject as number,
        case when number_in_subject > 0 then 1 + (number_in_subject - 1) % 3 end as topic,
        (enum_range(null::grade_band))[(number_in_subject + 2) / 3] as grade_band
) as drawn;

-- Two thirds of the skills of the learner's first grade band, not started yet: no mastery, or none known.
insert into learner_skill_states (id, tenant_id, learner_id, skill_id, mastery_level, updated_at)
select
    demo.id('state ' || learner.learner_id || skills.id) as id,
    demo.id('school ' || learner.school) as tenant_id,
    learner.learner_id,
    skills.id as skill_id,
    case when demo.draw('known ' || learner.learner_id || skills.id) < 0.9 then 0 end as mastery_level,
    timestamptz '2024-08-20 07:00Z' + learner.number * interval '1 minute' as updated_at
from demo.learners as learner
inner join skills on demo.grade_band(learner.first_grade) = skills.grade_band
where demo.draw('has ' || learner.learner_id || skills.id) < 0.67;
