-- The facts: range-partitioned by date_key, a month a partition, made on demand by etl_ensure_day.
-- A day's cost does not grow with history: it touches one partition. No fact has a foreign key to another fact.
create sequence fact_sessions_session_key_seq as bigint;
create table fact_sessions (
    date_key integer not null,
    session_key bigint not null default nextval('fact_sessions_session_key_seq'),
    session_id uuid not null,
    tenant_key bigint not null references dim_tenant,
    learner_key bigint not null references dim_learner,
    session_type text not null,
    origin text not null,
    duration_seconds integer not null,
    activities_assigned integer not null,
    activities_completed integer not null,
    activities_skipped integer not null,
    correct_responses integer not null,
    incorrect_responses integer not null,
    hints_used integer not null,
    focus_breaks_count integer not null,
    focus_interventions_count integer not null,
    started_at timestamptz not null,
    ended_at timestamptz,
    primary key (date_key, session_key),
    unique (date_key, session_id)
) partition by range (date_key);
alter sequence fact_sessions_session_key_seq owned by fact_sessions.session_key;
create index fact_sessions_tenant on fact_sessions (tenant_key, date_key);
create index fact_sessions_learner on fact_sessions (learner_key, date_key);

comment on table fact_sessions is 'Sessions: one row per session started on the day.';
comment on column fact_sessions.date_key is 'Day of the fact: YYYYMMDD; the partition key.';
comment on column fact_sessions.session_key is 'Surrogate key; the same however often the day is built.';
comment on column fact_sessions.session_id is 'Business key: sessions.id of the source.';
comment on column fact_sessions.tenant_key is 'Version of the tenant in force at the fact''s own time.';
comment on column fact_sessions.learner_key is 'Version of the learner in force at the fact''s own time.';
comment on column fact_sessions.session_type is 'LEARNING, HOMEWORK, BASELINE, PRACTICE, SEL or ASSESSMENT.';
comment on column fact_sessions.origin is
'MOBILE_LEARNER, WEB_LEARNER, TEACHER_LED, HOMEWORK_HELPER, PARENT_APP or SYSTEM.';
comment on column fact_sessions.duration_seconds is
'Length in whole seconds, rounded down; 0 while open or unreadable.';
comment on column fact_sessions.activities_assigned is 'Number of ACTIVITY_STARTED events.';
comment on column fact_sessions.activities_completed is 'Number of ACTIVITY_COMPLETED events.';
comment on column fact_sessions.activities_skipped is 'Number of ACTIVITY_SKIPPED events.';
comment on column fact_sessions.correct_responses is
'Number of ACTIVITY_RESPONSE_SUBMITTED events whose isCorrect is true.';
comment on column fact_sessions.incorrect_responses is
'Number of ACTIVITY_RESPONSE_SUBMITTED events whose isCorrect is false.';
comment on column fact_sessions.hints_used is 'Number of HOMEWORK_HINT_REQUESTED events.';
comment on column fact_sessions.focus_breaks_count is 'Number of FOCUS_BREAK_STARTED events.';
comment on column fact_sessions.focus_interventions_count is 'Number of FOCUS_INTERVENTION_SHOWN events.';
comment on column fact_sessions.started_at is 'When the session started.';
comment on column fact_sessions.ended_at is 'When it ended; NULL while open.';

create sequence fact_focus_events_focus_event_key_seq as bigint;
create table fact_focus_events (
    date_key integer not null,
    focus_event_key bigint not null default nextval('fact_focus_events_focus_event_key_seq'),
    event_id uuid not null,
    tenant_key bigint not null references dim_tenant,
    learner_key bigint not null references dim_learner,
    session_id uuid not null,
    session_date_key integer,
    session_key bigint,
    event_type text not null,
    event_time timestamptz not null,
    duration_seconds integer,
    intervention_type text,
    intervention_completed boolean,
    focus_score numeric,
    primary key (date_key, focus_event_key),
    unique (date_key, event_id)
) partition by range (date_key);
alter sequence fact_focus_events_focus_event_key_seq owned by fact_focus_events.focus_event_key;
create index fact_focus_events_tenant on fact_focus_events (tenant_key, date_key);
create index fact_focus_events_learner on fact_focus_events (learner_key, date_key);
create index fact_focus_events_session on fact_focus_events (session_id);
create index fact_focus_events_waiting on fact_focus_events (session_id) where session_key is null;

comment on table fact_focus_events is 'Focus: one row per focus event on the day.';
comment on column fact_focus_events.date_key is 'Day of the fact: YYYYMMDD; the partition key.';
comment on column fact_focus_events.focus_event_key is 'Surrogate key; the same however often the day is built.';
comment on column fact_focus_events.event_id is 'Business key: session_events.id of the source.';
comment on column fact_focus_events.tenant_key is 'Version of the tenant in force at the fact''s own time.';
comment on column fact_focus_events.learner_key is 'Version of the learner in force at the fact''s own time.';
comment on column fact_focus_events.session_id is 'Session in which it happened.';
comment on column fact_focus_events.session_date_key is
'Day on which that session started; NULL if the session is not known.';
comment on column fact_focus_events.session_key is
'Row of fact_sessions; NULL until that day''s sessions are built. No foreign key.';
comment on column fact_focus_events.event_type is
'FOCUS_LOSS_DETECTED, or FOCUS_BREAK_ or FOCUS_INTERVENTION_ with what became of it.';
comment on column fact_focus_events.event_time is 'When it happened.';
comment on column fact_focus_events.duration_seconds is
'Length in whole seconds, rounded down, if the event tells one.';
comment on column fact_focus_events.intervention_type is 'Kind of intervention, if the event tells one.';
comment on column fact_focus_events.intervention_completed is
'Whether the intervention was completed, if the event tells.';
comment on column fact_focus_events.focus_score is
'Focus from 0 to 100, rounded to four decimals, if the event tells one.';

create sequence fact_homework_events_homework_event_key_seq as bigint;
create table fact_homework_events (
    date_key integer not null,
    homework_event_key bigint not null default nextval('fact_homework_events_homework_event_key_seq'),
    submission_id uuid not null,
    tenant_key bigint not null references dim_tenant,
    learner_key bigint not null references dim_learner,
    session_id uuid,
    session_date_key integer,
    session_key bigint,
    subject text not null,
    grade_band text not null,
    step_count integer not null,
    steps_completed integer not null,
    hints_revealed integer not null,
    correct_responses integer not null,
    total_responses integer not null,
    completion_rate numeric not null,
    submitted_at timestamptz not null,
    completed_at timestamptz,
    primary key (date_key, homework_event_key),
    unique (date_key, submission_id)
) partition by range (date_key);
alter sequence fact_homework_events_homework_event_key_seq owned by fact_homework_events.homework_event_key;
create index fact_homework_events_tenant on fact_homework_events (tenant_key, date_key);
create index fact_homework_events_learner on fact_homework_events (learner_key, date_key);
create index fact_homework_events_session on fact_homework_events (session_id);
create index fact_homework_events_waiting on fact_homework_events (session_id) where session_key is null;

comment on table fact_homework_events is 'Homework: one row per submission made on the day.';
comment on column fact_homework_events.date_key is 'Day of the fact: YYYYMMDD; the partition key.';
comment on column fact_homework_events.homework_event_key is 'Surrogate key; the same however often the day is built.';
comment on column fact_homework_events.submission_id is 'Business key: homework_submissions.id of the source.';
comment on column fact_homework_events.tenant_key is 'Version of the tenant in force at the fact''s own time.';
comment on column fact_homework_events.learner_key is 'Version of the learner in force at the fact''s own time.';
comment on column fact_homework_events.session_id is 'Session in which it was submitted, if any.';
comment on column fact_homework_events.session_date_key is
'Day on which that session started; NULL without a known session.';
comment on column fact_homework_events.session_key is
'Row of fact_sessions; NULL until that day''s sessions are built. No foreign key.';
comment on column fact_homework_events.subject is 'Subject code of the submission.';
comment on column fact_homework_events.grade_band is 'Grade band of the submission.';
comment on column fact_homework_events.step_count is 'Number of steps that the homework has.';
comment on column fact_homework_events.steps_completed is 'Number of steps completed.';
comment on column fact_homework_events.hints_revealed is 'Number of steps whose hint was revealed.';
comment on column fact_homework_events.correct_responses is 'Number of responses that were correct.';
comment on column fact_homework_events.total_responses is 'Number of responses.';
comment on column fact_homework_events.completion_rate is 'steps_completed / step_count, at most 1; 0 without steps.';
comment on column fact_homework_events.submitted_at is 'When it was submitted.';
comment on column fact_homework_events.completed_at is 'When it was completed; NULL until then.';

create sequence fact_learning_progress_progress_key_seq as bigint;
create table fact_learning_progress (
    date_key integer not null,
    progress_key bigint not null default nextval('fact_learning_progress_progress_key_seq'),
    tenant_key bigint not null references dim_tenant,
    learner_key bigint not null references dim_learner,
    subject_key bigint not null references dim_subject,
    total_skills integer not null,
    mastered_skills integer not null,
    in_progress_skills integer not null,
    not_started_skills integer not null,
    average_mastery numeric not null,
    skills_gained_today integer not null,
    practice_minutes_today integer not null,
    snapshot_at timestamptz not null,
    primary key (date_key, progress_key),
    unique (date_key, learner_key, subject_key)
) partition by range (date_key);
alter sequence fact_learning_progress_progress_key_seq owned by fact_learning_progress.progress_key;
create index fact_learning_progress_tenant on fact_learning_progress (tenant_key, date_key);
create index fact_learning_progress_learner on fact_learning_progress (learner_key, date_key);

comment on table fact_learning_progress is 'Mastery: one row per learner and subject, as they stood at the day''s end.';
comment on column fact_learning_progress.date_key is 'Day of the fact: YYYYMMDD; the partition key.';
comment on column fact_learning_progress.progress_key is 'Surrogate key; the same however often the day is built.';
comment on column fact_learning_progress.tenant_key is 'Version of the tenant in force at the fact''s own time.';
comment on column fact_learning_progress.learner_key is 'Version of the learner in force at the fact''s own time.';
comment on column fact_learning_progress.subject_key is 'Subject.';
comment on column fact_learning_progress.total_skills is 'Number of the learner''s skill states in the subject.';
comment on column fact_learning_progress.mastered_skills is 'Those with a mastery level of 0.8 or more.';
comment on column fact_learning_progress.in_progress_skills is 'Those above 0 and below 0.8.';
comment on column fact_learning_progress.not_started_skills is 'Those at 0, or without a level.';
comment on column fact_learning_progress.average_mastery is 'Mean of the levels that are known; 0 if none is.';
comment on column fact_learning_progress.skills_gained_today is
'Skills mastered at the day''s end and not at the end of the day before.';
comment on column fact_learning_progress.practice_minutes_today is
'The learner''s LEARNING and PRACTICE minutes started that day, rounded down; the same on each subject row.';
comment on column fact_learning_progress.snapshot_at is 'The day''s last microsecond.';

create sequence fact_recommendation_events_recommendation_event_key_seq as bigint;
create table fact_recommendation_events (
    date_key integer not null,
    recommendation_event_key bigint not null default nextval('fact_recommendation_events_recommendation_event_key_seq'),
    recommendation_id uuid not null,
    tenant_key bigint not null references dim_tenant,
    learner_key bigint not null references dim_learner,
    skill_key bigint references dim_skill,
    recommendation_type text not null,
    source text not null,
    was_accepted boolean,
    was_declined boolean,
    response_time_seconds integer,
    created_at timestamptz not null,
    responded_at timestamptz,
    primary key (date_key, recommendation_event_key),
    unique (date_key, recommendation_id)
) partition by range (date_key);
alter sequence fact_recommendation_events_recommendation_event_key_seq
owned by fact_recommendation_events.recommendation_event_key;
create index fact_recommendation_events_tenant on fact_recommendation_events (tenant_key, date_key);
create index fact_recommendation_events_learner on fact_recommendation_events (learner_key, date_key);

comment on table fact_recommendation_events is 'Recommendations: one row per recommendation created on the day.';
comment on column fact_recommendation_events.date_key is 'Day of the fact: YYYYMMDD; the partition key.';
comment on column fact_recommendation_events.recommendation_event_key is
'Surrogate key; the same however often the day is built.';
comment on column fact_recommendation_events.recommendation_id is 'Business key: recommendations.id of the source.';
comment on column fact_recommendation_events.tenant_key is 'Version of the tenant in force at the fact''s own time.';
comment on column fact_recommendation_events.learner_key is 'Version of the learner in force at the fact''s own time.';
comment on column fact_recommendation_events.skill_key is
'Skill that is recommended; NULL only where the source names none.';
comment on column fact_recommendation_events.recommendation_type is 'Kind of recommendation.';
comment on column fact_recommendation_events.source is 'What made the recommendation.';
comment on column fact_recommendation_events.was_accepted is 'Whether the learner accepted it, if answered.';
comment on column fact_recommendation_events.was_declined is 'Whether the learner declined it, if answered.';
comment on column fact_recommendation_events.response_time_seconds is
'Whole seconds from creation to answer, rounded down; NULL while unanswered or unreadable.';
comment on column fact_recommendation_events.created_at is 'When it was created.';
comment on column fact_recommendation_events.responded_at is 'When it was answered, if it was.';

-- Makes what a day needs before it can be loaded: the fact's month partition, and the calendar of its year.
-- Cheap where both are there; safe for two sessions at once. The partition is made beside the table and then attached,
-- so that readers of the fact never wait.
create function etl_ensure_day(fact text, day date) returns void
language plpgsql as $$
declare
    month date := date_trunc('month', day)::date;
    next_month date := (date_trunc('month', day) + interval '1 month')::date;
    partition_name text := fact || to_char(day, '"_"YYYY"_"MM');
    fact_schema oid := (select relnamespace from pg_class where oid = fact::regclass);
begin
    if exists (select from pg_class where relname = partition_name and relnamespace = fact_schema) then
        return;
    end if;
    perform pg_advisory_xact_lock(hashtext('aivo_luigi partitions'), 0);
    if exists (select from pg_class where relname = partition_name and relnamespace = fact_schema) then
        return;
    end if;
    perform etl_make_dates(extract(year from day)::integer);
    -- Attaching clones the foreign keys, which locks the dimensions; in the order in which inferred members lock them.
    lock table dim_tenant, dim_learner, dim_subject, dim_skill in share row exclusive mode;
    execute format(
        'create table %I (like %I including defaults including constraints including comments)', partition_name, fact
    );
    execute format('comment on table %I is %L', partition_name, 'Partition of ' || fact || ' for ' || to_char(day, 'YYYY-MM') || '.');
    execute format(
        'alter table %I attach partition %I for values from (%s) to (%s)',
        fact, partition_name, to_char(month, 'YYYYMMDD'), to_char(next_month, 'YYYYMMDD')
    );
end
$$;
