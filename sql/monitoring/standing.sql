-- How jobs stand that are not complete, for aivo-etl plan: of a fact each day that has had a run, of a dimension its
-- last run (day is NULL). Variables: jobs (names, as an array's text), first_day, last_day.
select
    job_name,
    day,
    state,
    last_error
from etl_job_days
where
    kind = 'fact'
    and job_name = any(:'jobs'::text[])
    and day between :'first_day'::date and :'last_day'::date
union all
select
    job_name,
    null as day,
    case when last_status = 'SUCCESS' then 'PROVISIONAL' else last_status end as state,
    (
        select max(runs.error_message)
        from etl_recent_runs as runs
        where runs.job_name = etl_freshness.job_name and runs.started_at = etl_freshness.last_started_at
    ) as last_error
from etl_freshness
where
    kind = 'dimension'
    and job_name = any(:'jobs'::text[])
