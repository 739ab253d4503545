-- The latest runs, newest first. Variables: most (number of runs), day, job (NULL: any).
select
    run_id,
    started_at,
    completed_at,
    job_name,
    target_date,
    status,
    rows_processed,
    rows_inserted,
    rows_updated,
    rows_deleted,
    rows_rejected,
    seconds::double precision as seconds,
    force_token,
    error_message
from etl_recent_runs
where
    (:'day'::date is null or target_date = :'day'::date)
    and (:'job'::text is null or job_name = :'job')
order by started_at desc
limit :most
