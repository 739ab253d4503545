-- A warehouse with a history, made out of one day that was built: each earlier day gets a share of its rows, under ids
-- of its own; the run record and the history of skill states grow along. Needs a superuser: foreign keys are not
-- checked meanwhile. Variables: day (the day built), days (before it), density (the share).
set timezone to 'UTC';
set session_replication_role to replica;

create temporary table bench_day as
select
    earlier::timestamptz as day,
    to_char(earlier, 'YYYYMMDD')::integer as date_key,
    to_char(:'day'::date, 'YYYYMMDD')::integer as built_key,
    :'day'::date - earlier::date as age,
    (:'day'::date - earlier::date) * interval '1 day' as lag
from generate_series(:'day'::date - :days, :'day'::date - 1, interval '1 day') as s (earlier);

create function pg_temp.is_chosen(id text) returns boolean
language sql immutable
return (hashtext(id) & 1023) < :density * 1024;

select etl_ensure_day(fact, month::date)
from
    (select distinct date_trunc('month', day) as month from bench_day) as months,
    unnest(array[
        'fact_sessions', 'fact_focus_events', 'fact_homework_events', 'fact_learning_progress',
        'fact_recommendation_events'
    ]) as facts (fact);

insert into fact_sessions (
    date_key, session_id, tenant_key, learner_key, session_type, origin, duration_seconds, activities_assigned,
    activities_completed, activities_skipped, correct_responses, incorrect_responses, hints_used, focus_breaks_count,
    focus_interventions_count, started_at, ended_at
)
select
    bench_day.date_key,
    md5(session_id || '.' || age)::uuid,
    tenant_key,
    learner_key,
    session_type,
    origin,
    duration_seconds,
    activities_assigned,
    activities_completed,
    activities_skipped,
    correct_responses,
    incorrect_responses,
    hints_used,
    focus_breaks_count,
    focus_interventions_count,
    started_at - lag,
    ended_at - lag
from bench_day
inner join fact_sessions on bench_day.built_key = fact_sessions.date_key
where pg_temp.is_chosen(session_id::text);

analyze fact_sessions;

insert into fact_focus_events (
    date_key, event_id, tenant_key, learner_key, session_id, session_date_key, session_key, event_type, event_time,
    duration_seconds, intervention_type, intervention_completed, focus_score
)
select
    bench_day.date_key,
    md5(event_id || '.' || age)::uuid,
    focus.tenant_key,
    focus.learner_key,
    session.session_id,
    session.date_key as session_date_key,
    session.session_key,
    event_type,
    event_time - lag,
    focus.duration_seconds,
    intervention_type,
    intervention_completed,
    focus_score
from bench_day
inner join fact_focus_events as focus on bench_day.built_key = focus.date_key
inner join fact_sessions as session
    on
        bench_day.date_key = session.date_key
        and md5(focus.session_id || '.' || age)::uuid = session.session_id;

insert into fact_homework_events (
    date_key, submission_id, tenant_key, learner_key, session_id, session_date_key, session_key, subject, grade_band,
    step_count, steps_completed, hints_revealed, correct_responses, total_responses, completion_rate, submitted_at,
    completed_at
)
select
    bench_day.date_key,
    md5(submission_id || '.' || age)::uuid,
    homework.tenant_key,
    homework.learner_key,
    session.session_id,
    session.date_key as session_date_key,
    session.session_key,
    subject,
    grade_band,
    step_count,
    steps_completed,
    hints_revealed,
    homework.correct_responses,
    total_responses,
    completion_rate,
    submitted_at - lag,
    completed_at - lag
from bench_day
inner join fact_homework_events as homework on bench_day.built_key = homework.date_key
inner join fact_sessions as session
    on
        bench_day.date_key = session.date_key
        and md5(homework.session_id || '.' || age)::uuid = session.session_id;

insert into fact_learning_progress (
    date_key, tenant_key, learner_key, subject_key, total_skills, mastered_skills, in_progress_skills,
    not_started_skills, average_mastery, skills_gained_today, practice_minutes_today, is_exact, snapshot_at
)
select
    bench_day.date_key,
    tenant_key,
    learner_key,
    subject_key,
    total_skills,
    mastered_skills,
    in_progress_skills,
    not_started_skills,
    average_mastery,
    skills_gained_today,
    practice_minutes_today,
    is_exact,
    snapshot_at - lag
from bench_day
inner join fact_learning_progress as progress on bench_day.built_key = progress.date_key
where pg_temp.is_chosen(progress.learner_key::text);

insert into fact_recommendation_events (
    date_key, recommendation_id, tenant_key, learner_key, skill_key, recommendation_type, source, was_accepted,
    was_declined, response_time_seconds, created_at, responded_at
)
select
    bench_day.date_key,
    md5(recommendation_id || '.' || age)::uuid,
    tenant_key,
    learner_key,
    skill_key,
    recommendation_type,
    source,
    was_accepted,
    was_declined,
    response_time_seconds,
    created_at - lag,
    responded_at - lag
from bench_day
inner join fact_recommendation_events as recommended on bench_day.built_key = recommended.date_key
where pg_temp.is_chosen(recommended.recommendation_id::text);

-- A tenth of the states of the learners who were there changed that day.
insert into learner_skill_history (
    learner_id, skill_id, state_id, tenant_id, mastery_level, is_gone, held_from, held_to
)
select
    learner_id,
    skill_id,
    state_id,
    tenant_id,
    0.1,
    false,
    day - interval '1 day',
    day
from bench_day
inner join learner_skill_history on learner_skill_history.held_to = 'infinity'
where
    pg_temp.is_chosen(learner_id::text)
    and (hashtext(state_id::text) + age) % 10 = 0;

insert into etl_job_runs (job_name, run_date, target_date, status, started_at, completed_at, duration_ms)
select
    job_name,
    day + interval '1 day',
    day,
    'SUCCESS',
    day + interval '26 hour',
    day + interval '26 hour',
    1000
from bench_day
cross join (select distinct job_name from etl_job_runs) as jobs;
