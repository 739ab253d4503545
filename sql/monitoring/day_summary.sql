-- What stands for a day: the last run of each fact job for it, and the last run of each dimension job.
-- Variables: jobs (names, as an array's text), day.
select distinct on (job_name)
    job_name,
    rows_processed,
    rows_inserted,
    rows_updated,
    rows_deleted,
    rows_rejected,
    duration_ms
from etl_job_runs
where
    job_name = any(:'jobs'::text[])
    and status = 'SUCCESS'
    and (target_date = :'day'::date or starts_with(job_name, 'sync_'))
order by job_name asc, started_at desc
