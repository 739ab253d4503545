-- The three roles of least privilege: who reads the source, who loads the warehouse, who analyses it. For psql, in the
-- database concerned, as its owner; a role that is not there yet is made, for which the owner needs CREATEROLE:
--     psql -v ON_ERROR_STOP=1 -v reader=aivo_reader -f sql/roles.sql "$OWNERS_OLTP_URL"
--     psql -v ON_ERROR_STOP=1 -v loader=aivo_loader -v analyst=aivo_analyst -f sql/roles.sql "$OWNERS_WAREHOUSE_URL"
-- Grain:      none; it makes roles and grants.
-- Parameters: reader (of a source), or loader and analyst (of a migrated warehouse): the roles' names. Found out here:
--             place (the schema), owns (the database), command.
-- Safe to run again, and to be run again after each migration: a role then has what is written here, and no more. A new
-- one may log in, but has no password: give it one with \password.

select
    current_schema() as place,
    current_database() as owns
\gset

-- psql leaves out what no variable is given for: where none is, nothing would be granted.
\if :{?reader}
\elif :{?loader}
\elif :{?analyst}
\else
\set ON_ERROR_STOP on
do $$
begin
    raise exception 'no role is named: -v reader=NAME in the source; -v loader=NAME -v analyst=NAME in the warehouse';
end $$;
\endif

begin;

\if :{?reader}

-- The source's reader: SELECT on the tables and columns that the pipeline reads (sql/source/schema.sql), and no others.
select format('create role %I login', :'reader') as command
where not exists (select from pg_roles where rolname = :'reader')
\gexec

revoke all on all tables in schema :"place" from :"reader";
grant connect on database :"owns" to :"reader";
grant usage on schema :"place" to :"reader";
grant select (
    id, name, type, district_id, state, country, timezone, is_active, created_at, updated_at, deleted_at
) on tenants to :"reader";
grant select (
    id, tenant_id, grade_band, grade_level, is_active, created_at, updated_at, deleted_at
) on learners to :"reader";
grant select (id, tenant_id, role, is_active, created_at, updated_at, deleted_at) on users to :"reader";
grant select (
    id, code, name, description, subject, grade_band, parent_skill_id, depth, created_at, updated_at, deleted_at
) on skills to :"reader";
grant select (
    id, tenant_id, learner_id, session_type, origin, started_at, ended_at, duration_ms, created_at, updated_at
) on sessions to :"reader";
grant select (
    id, session_id, tenant_id, learner_id, event_type, event_time, metadata_json, created_at
) on session_events to :"reader";
grant select (
    id, tenant_id, learner_id, session_id, subject, grade_band, status, step_count, steps_completed, created_at,
    updated_at
) on homework_submissions to :"reader";
grant select (
    id, submission_id, step_order, is_completed, hint_revealed, created_at, updated_at
) on homework_steps to :"reader";
grant select (id, step_id, is_correct, created_at) on homework_step_responses to :"reader";
grant select (
    id, tenant_id, learner_id, skill_id, mastery_level, updated_at
) on learner_skill_states to :"reader";
grant select (
    id, tenant_id, learner_id, skill_id, recommendation_type, source, was_accepted, was_declined, created_at,
    responded_at
) on recommendations to :"reader";

\endif

\if :{?loader}

-- The warehouse's loader: rows in and out, temporary tables to stage them, and no table of its own. Partitions are
-- made, and dropped by retention, by functions of the owner's. What is granted on a fact holds for its partitions, also
-- for those to come.
select format('create role %I login', :'loader') as command
where not exists (select from pg_roles where rolname = :'loader')
\gexec

revoke create on schema :"place" from public;
revoke all on schema :"place" from :"loader";
revoke all on all tables in schema :"place" from :"loader";
revoke all on all sequences in schema :"place" from :"loader";
grant connect, temporary on database :"owns" to :"loader";
grant usage on schema :"place" to :"loader";
grant select, insert, update on
dim_tenant, dim_learner, dim_user, dim_subject, dim_skill, etl_watermarks
to :"loader";
grant select, insert, update, delete on
etl_job_runs, learner_skill_history,
fact_sessions, fact_focus_events, fact_homework_events, fact_learning_progress, fact_recommendation_events
to :"loader";
grant usage on sequence
fact_sessions_session_key_seq, fact_focus_events_focus_event_key_seq, fact_homework_events_homework_event_key_seq,
fact_learning_progress_progress_key_seq, fact_recommendation_events_recommendation_event_key_seq
to :"loader";
grant select, insert, delete on etl_rejected_rows to :"loader";
grant select on
dim_tenant_latest, etl_recent_runs, etl_daily_success, etl_job_days, etl_freshness, etl_rejects, etl_row_expectations,
_yoyo_migration
to :"loader";
grant execute on function etl_ensure_day(text, date), etl_analyze(text), etl_drop_month(text, date) to :"loader";

\endif

\if :{?analyst}

-- Analysts: dimensions, facts and views, and nothing of what was rejected but how much, nor the states of each learner.
select format('create role %I login', :'analyst') as command
where not exists (select from pg_roles where rolname = :'analyst')
\gexec

revoke all on schema :"place" from :"analyst";
revoke all on all tables in schema :"place" from :"analyst";
grant connect on database :"owns" to :"analyst";
grant usage on schema :"place" to :"analyst";
grant select on
dim_tenant, dim_learner, dim_user, dim_subject, dim_skill, dim_date,
fact_sessions, fact_focus_events, fact_homework_events, fact_learning_progress, fact_recommendation_events,
dim_tenant_latest, etl_recent_runs, etl_daily_success, etl_job_days, etl_freshness, etl_rejects, etl_row_expectations,
_yoyo_migration
to :"analyst";

\endif

commit;
