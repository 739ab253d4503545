-- Which days of which jobs were ever built, newest first. Variables: jobs (as an array's text), first_day, last_day.
select distinct
    job_name,
    target_date
from etl_job_runs
where
    status = 'SUCCESS'
    and job_name = any(:'jobs'::text[])
    and target_date between :'first_day'::date and :'last_day'::date
order by target_date desc, job_name asc
