-- How the runs of each day ended. Variables: first_day, last_day.
select
    run_date as day,
    success_count,
    failed_count,
    total,
    success_rate::double precision as success_rate
from etl_daily_success
where run_date between :'first_day'::date and :'last_day'::date
order by run_date
