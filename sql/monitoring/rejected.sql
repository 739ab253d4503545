-- What was rejected, grouped by job, source table, field and reason, the most frequent first, with the ids of three of
-- the rows, and what was read of them. Variables: first_day, last_day, job (each NULL: any).
select
    job_name,
    min(target_date) as first_day,
    max(target_date) as last_day,
    source_table,
    field,
    reason,
    count(*) as records,
    (array_agg(source_id order by target_date desc, source_id asc))[:3] as samples,
    (array_agg(payload order by target_date desc, source_id asc))[:3] as payloads
from etl_rejected_rows
where
    (:'first_day'::date is null or target_date >= :'first_day'::date)
    and (:'last_day'::date is null or target_date <= :'last_day'::date)
    and (:'job'::text is null or job_name = :'job')
group by job_name, source_table, field, reason
order by records desc, job_name asc, field asc, reason asc
