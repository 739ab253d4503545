-- Runs that say RUNNING though nobody holds the lock of their job and day (sql/runs/lock.sql): their process is no
-- more. The next run of any job closes them.
select
    runs.job_name,
    runs.target_date as day,
    'says RUNNING, but its process is no more' as message,
    runs.started_at as since
from etl_job_runs as runs
where
    runs.status = 'RUNNING'
    and not exists (
        select
        from pg_locks
        where
            pg_locks.locktype = 'advisory'
            and pg_locks.granted
            and pg_locks.database = (select oid from pg_database where datname = current_database())
            and pg_locks.objsubid = 2
            and pg_locks.classid = hashtext('aivo_luigi ' || runs.job_name)::bigint::bit(32)::bigint::oid
            and pg_locks.objid
            = case
                when starts_with(runs.job_name, 'sync_') then 0 else to_char(runs.target_date, 'YYYYMMDD')::integer
            end::oid
    )
order by runs.started_at
