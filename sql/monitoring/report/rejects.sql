-- What was rejected, counted by reason and day. Variables: first_day, last_day.
select
    job_name,
    target_date as day,
    source_table,
    field,
    reason,
    records
from etl_rejects
where target_date between :'first_day'::date and :'last_day'::date
order by target_date, job_name, source_table, field, reason
