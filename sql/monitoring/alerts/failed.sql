-- Jobs whose last run failed: of a dimension the last one of all, of a fact that of each day in the look-back, today
-- left out.
-- Variables: jobs (an array's text), look_back_days.
with last_runs as (
    select distinct on (job_name, fact_day)
        job_name,
        case when not starts_with(job_name, 'sync_') then target_date end as fact_day,
        target_date,
        status,
        error_message,
        started_at
    from etl_job_runs
    where
        job_name = any(:'jobs'::text[])
        and status in ('SUCCESS', 'FAILED')
        and (
            starts_with(job_name, 'sync_')
            or target_date between (now() at time zone 'UTC')::date - :look_back_days
            and (now() at time zone 'UTC')::date - 1
        )
    order by job_name asc, fact_day asc, started_at desc
)

select
    job_name,
    target_date as day,
    'the last run failed: ' || coalesce(error_message, 'without a word') as message,
    started_at as since
from last_runs
where status = 'FAILED'
order by target_date desc, job_name asc
