-- The jobs that ran since a moment, in their order: rows, milliseconds, milliseconds until the next one's start, and
-- milliseconds from the first one's start to the last one's end. Variables: since.
select
    job_name,
    rows_processed,
    greatest(duration_ms, 1)::float8 as ms,
    (extract(epoch from coalesce(lead(started_at) over by_time, completed_at) - started_at) * 1000)::float8 as step_ms,
    (extract(epoch from max(completed_at) over () - min(started_at) over ()) * 1000)::float8 as span_ms
from etl_job_runs
where
    started_at >= :'since'
    and status = 'SUCCESS'
window by_time as (order by started_at)
order by started_at
