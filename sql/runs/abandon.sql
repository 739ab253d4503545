-- Marks runs as failed that were left RUNNING by a process that is no more: the lock of their job and day is free.
-- Under one's own lock of a job and day, that run's own remains are closed too. The locks are those of lock.sql.
with running as materialized (
    select
        id,
        job_name,
        case when starts_with(job_name, 'sync_') then 0 else to_char(target_date, 'YYYYMMDD')::integer end as lock_day
    from etl_job_runs
    where status = 'RUNNING'
),

abandoned as materialized (
    select id
    from running
    where pg_try_advisory_xact_lock(hashtext('aivo_luigi ' || job_name), lock_day)
)

update etl_job_runs as runs
set
    status = 'FAILED',
    error_message = 'abandoned: the process that ran it ended without a word',
    duration_ms = extract(epoch from clock_timestamp() - runs.started_at) * 1000,
    completed_at = clock_timestamp()
from abandoned
where
    runs.id = abandoned.id
    and runs.status = 'RUNNING'
