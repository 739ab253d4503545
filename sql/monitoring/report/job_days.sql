-- How each job and day stands, of the days on which anything ran. Variables: first_day, last_day.
select
    job_name,
    day,
    state,
    last_status,
    last_error,
    last_started_at,
    rows_processed,
    rows_rejected,
    seconds::double precision as seconds,
    started_at
from etl_job_days
where day between :'first_day'::date and :'last_day'::date
order by job_name, day
