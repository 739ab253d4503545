-- How runs stand: of each job and day the last one. A running one tells the rows that its COPY has read so far.
-- Variables: ids (of the runs, as an array's text).
with runs as (
    select distinct on (job_name, target_date)
        job_name,
        target_date,
        status,
        rows_processed,
        rows_rejected,
        seconds,
        error_message,
        started_at
    from etl_recent_runs
    where run_id = any(:'ids'::uuid[])
    order by job_name asc, target_date asc, started_at desc
),

copies as (
    select
        activity.application_name,
        sum(copy.tuples_processed) as tuples
    from pg_stat_progress_copy as copy
    inner join pg_stat_activity as activity on copy.pid = activity.pid
    where
        copy.datname = current_database()
        and copy.command = 'COPY FROM'
    group by activity.application_name
)

select
    runs.job_name,
    runs.target_date,
    runs.status,
    coalesce(case when runs.status = 'RUNNING' then copies.tuples end, runs.rows_processed)::bigint as row_count,
    runs.rows_rejected,
    case
        when runs.status = 'RUNNING' then extract(epoch from clock_timestamp() - runs.started_at)
        else runs.seconds
    end::double precision as seconds,
    runs.error_message
from runs
left join copies on copies.application_name = 'aivo_luigi ' || runs.job_name || ' ' || runs.target_date
order by runs.started_at
