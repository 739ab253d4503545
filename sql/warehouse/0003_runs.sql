-- The run record: what ran for which day, and how it ended. A Luigi task is complete when its row says so.

create table etl_job_runs (
    id uuid primary key default gen_random_uuid(),
    job_name text not null,
    run_date date not null,
    target_date date not null,
    status text not null check (status in ('RUNNING', 'SUCCESS', 'FAILED', 'SKIPPED')),
    rows_processed bigint not null default 0,
    rows_inserted bigint not null default 0,
    rows_updated bigint not null default 0,
    rows_deleted bigint not null default 0,
    rows_rejected bigint not null default 0,
    duration_ms bigint not null default 0,
    error_message text,
    started_at timestamptz not null,
    completed_at timestamptz,
    force_token text
);
create index etl_job_runs_success_by_day on etl_job_runs (job_name, target_date, started_at) where status = 'SUCCESS';
create index etl_job_runs_success_by_time on etl_job_runs (job_name, started_at) where status = 'SUCCESS';
create index etl_job_runs_running on etl_job_runs (job_name) where status = 'RUNNING';
create index etl_job_runs_recent on etl_job_runs (started_at);

comment on table etl_job_runs is 'One row per run of a job: the output target of every Luigi task.';
comment on column etl_job_runs.id is 'Id of the run.';
comment on column etl_job_runs.job_name is 'Name of the job, for instance build_fact_sessions.';
comment on column etl_job_runs.run_date is 'UTC day on which the run started.';
comment on column etl_job_runs.target_date is
'Day that was built; for a dimension, the day for which the sync was asked.';
comment on column etl_job_runs.status is 'RUNNING, SUCCESS, FAILED or SKIPPED.';
comment on column etl_job_runs.rows_processed is 'Rows read of the job''s main table.';
comment on column etl_job_runs.rows_inserted is 'Rows written; for a dimension, ids first seen.';
comment on column etl_job_runs.rows_updated is 'Ids of a dimension that changed, came back, or were completed.';
comment on column etl_job_runs.rows_deleted is
'Rows that the rebuilt day had before; for a dimension, ids closed or deactivated.';
comment on column etl_job_runs.rows_rejected is 'Records written to etl_rejected_rows.';
comment on column etl_job_runs.duration_ms is 'Length of the run in milliseconds; 0 while it runs.';
comment on column etl_job_runs.error_message is 'Why the run failed, in one line.';
comment on column etl_job_runs.started_at is 'When the run started, by the warehouse''s clock.';
comment on column etl_job_runs.completed_at is 'When it ended; NULL while it runs.';
comment on column etl_job_runs.force_token is 'Name or token of the --force that asked for the run, if one did.';

create table etl_rejected_rows (
    run_id uuid not null references etl_job_runs,
    job_name text not null,
    target_date date not null,
    source_table text not null,
    source_id text,
    field text,
    reason text not null,
    payload jsonb not null,
    rejected_at timestamptz not null default now()
);
create index etl_rejected_rows_by_day on etl_rejected_rows (job_name, target_date);

comment on table etl_rejected_rows is
'What could not be loaded, or was loaded with a field left out; a day built again replaces its own.';
comment on column etl_rejected_rows.run_id is 'Run that recorded it.';
comment on column etl_rejected_rows.job_name is 'Job that recorded it.';
comment on column etl_rejected_rows.target_date is 'Day that was built.';
comment on column etl_rejected_rows.source_table is 'Table of the source that the row came from.';
comment on column etl_rejected_rows.source_id is 'Id of the row in the source, if it has one.';
comment on column etl_rejected_rows.field is 'Field that was left out; NULL when the whole row was.';
comment on column etl_rejected_rows.reason is 'Why.';
comment on column etl_rejected_rows.payload is 'What was read, as JSON. May hold learners'' data: not for analysts.';
comment on column etl_rejected_rows.rejected_at is 'When it was recorded.';
