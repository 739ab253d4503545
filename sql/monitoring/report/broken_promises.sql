-- Runs that failed because a check of checks.sql was broken, by job and promise. Variables: first_day, last_day: when
-- the runs started.
select
    job_name,
    substring(error_message from 'breaks its promise (\w+)') as promise,
    count(*) as times,
    max(started_at) as last_at
from etl_recent_runs
where
    status = 'FAILED'
    and error_message ~ 'breaks its promise \w+'
    and (started_at at time zone 'UTC')::date between :'first_day'::date and :'last_day'::date
group by job_name, promise
order by job_name, promise
