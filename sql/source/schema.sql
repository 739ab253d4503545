-- The reference source: the tables of the learning platform that the pipeline reads, and of each no more than the
-- columns that it reads. For demos, tests and as a description; a real source has its own tables.
-- Grain:      one row per thing, stated in each table's comment.
-- Parameters: none. Runs once, in an empty database.
-- There are no foreign keys, on purpose: the pipeline must bear a history in which rows are missing.

create type grade_band as enum ('K5', 'G6_8', 'G9_12');

create type skill_subject as enum ('ELA', 'MATH', 'SCIENCE', 'SEL', 'SPEECH', 'OTHER');

create type session_type as enum ('LEARNING', 'HOMEWORK', 'BASELINE', 'PRACTICE', 'SEL', 'ASSESSMENT');

create type session_origin as enum (
    'MOBILE_LEARNER', 'WEB_LEARNER', 'TEACHER_LED', 'HOMEWORK_HELPER', 'PARENT_APP', 'SYSTEM'
);

create type homework_status as enum ('RECEIVED', 'PARSED', 'SCAFFOLDED', 'COMPLETED', 'FAILED');

create table tenants (
    id uuid primary key,
    name text not null,
    type text,
    district_id uuid,
    state text,
    country text,
    timezone text,
    is_active boolean,
    created_at timestamptz not null,
    updated_at timestamptz,
    deleted_at timestamptz
);
comment on table tenants is 'One row per school, clinic or other customer.';

create table learners (
    id uuid primary key,
    tenant_id uuid not null,
    grade_band grade_band,
    grade_level integer,
    is_active boolean,
    created_at timestamptz not null,
    updated_at timestamptz,
    deleted_at timestamptz
);
comment on table learners is 'One row per learner of a tenant.';

create table users (
    id uuid primary key,
    tenant_id uuid not null,
    role text not null,
    is_active boolean,
    created_at timestamptz not null,
    updated_at timestamptz,
    deleted_at timestamptz
);
comment on table users is 'One row per adult with an account: teachers, parents, therapists, administrators.';

create table skills (
    id uuid primary key,
    code text not null,
    name text not null,
    description text,
    subject skill_subject not null,
    grade_band grade_band,
    parent_skill_id uuid,
    depth integer not null,
    created_at timestamptz not null,
    updated_at timestamptz,
    deleted_at timestamptz
);
comment on table skills is 'One row per skill of the curriculum, a tree by parent_skill_id.';

create table sessions (
    id uuid primary key,
    tenant_id uuid not null,
    learner_id uuid not null,
    session_type session_type not null,
    origin session_origin not null,
    started_at timestamptz not null,
    ended_at timestamptz,
    duration_ms integer,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
comment on table sessions is 'One row per sitting of a learner; ended_at is NULL while it is open.';

create table session_events (
    id uuid primary key,
    session_id uuid not null,
    tenant_id uuid not null,
    learner_id uuid not null,
    event_type text not null,
    event_time timestamptz not null,
    metadata_json jsonb,
    created_at timestamptz not null
);
comment on table session_events is 'One row per event of a session, with free-form metadata from the client.';

create table homework_submissions (
    id uuid primary key,
    tenant_id uuid not null,
    learner_id uuid not null,
    session_id uuid,
    subject text not null,
    grade_band grade_band not null,
    status homework_status not null,
    step_count integer not null,
    steps_completed integer not null,
    created_at timestamp(3) not null,
    updated_at timestamp(3) not null
);
comment on table homework_submissions is 'One row per homework handed in for help; times are UTC.';

create table homework_steps (
    id uuid primary key,
    submission_id uuid not null,
    step_order integer not null,
    is_completed boolean not null,
    hint_revealed boolean not null,
    created_at timestamp(3) not null,
    updated_at timestamp(3) not null
);
comment on table homework_steps is 'One row per step of a homework submission; times are UTC.';

create table homework_step_responses (
    id uuid primary key,
    step_id uuid not null,
    is_correct boolean,
    created_at timestamp(3) not null
);
comment on table homework_step_responses is 'One row per answer to a homework step; times are UTC.';

create table learner_skill_states (
    id uuid primary key,
    tenant_id uuid not null,
    learner_id uuid not null,
    skill_id uuid not null,
    mastery_level numeric,
    updated_at timestamptz not null,
    unique (learner_id, skill_id)
);
comment on table learner_skill_states is 'One row per learner and skill: the present mastery, from 0 to 1; no history.';

create table recommendations (
    id uuid primary key,
    tenant_id uuid not null,
    learner_id uuid not null,
    skill_id uuid,
    recommendation_type text not null,
    source text not null,
    was_accepted boolean,
    was_declined boolean,
    created_at timestamptz not null,
    responded_at timestamptz
);
comment on table recommendations is 'One row per recommendation shown to a learner, and the answer to it.';
