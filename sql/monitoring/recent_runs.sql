-- The latest runs, newest first. Variables: most (number of runs).
select
    started_at,
    job_name,
    target_date,
    status,
    rows_processed,
    rows_inserted,
    rows_updated,
    rows_deleted,
    rows_rejected,
    duration_ms,
    error_message
from etl_job_runs
order by started_at desc
limit :most
