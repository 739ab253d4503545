-- Days of which too much was rejected: records in etl_rejected_rows per row read, by the last run that succeeded.
-- Of a dimension only its last day; a fact's day that still runs is not looked at.
-- Variables: jobs (an array's text), look_back_days, share (text of a number).
with standing as (
    select distinct on (job_name, fact_day)
        job_name,
        case when starts_with(job_name, 'sync_') then run_date else target_date end as day,
        case when not starts_with(job_name, 'sync_') then target_date end as fact_day,
        rows_processed,
        rows_rejected,
        started_at
    from etl_job_runs
    where
        job_name = any(:'jobs'::text[])
        and status = 'SUCCESS'
        and case when starts_with(job_name, 'sync_') then run_date else target_date end
        >= (now() at time zone 'UTC')::date - :look_back_days
        and (starts_with(job_name, 'sync_') or target_date < (now() at time zone 'UTC')::date)
    order by job_name asc, fact_day asc, started_at desc
)

select
    job_name,
    day,
    rows_rejected || ' rows or fields of ' || rows_processed || ' rows read were rejected' as message,
    started_at as since
from standing
where rows_rejected > :'share'::numeric * rows_processed
order by day desc, job_name asc
