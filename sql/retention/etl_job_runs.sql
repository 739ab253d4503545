-- The run rows that may go: those that started before a day, but for the last success of each dimension, and of each
-- fact and day: they say what is complete, also of days whose facts have gone. A row stays as long as what it rejected,
-- and while it runs. Variables: before.
select runs.ctid
from etl_job_runs as runs
where
    runs.started_at < :'before'::date
    and runs.status <> 'RUNNING'
    and not exists (
        select
        from etl_rejected_rows
        where etl_rejected_rows.run_id = runs.id
    )
    and runs.id not in (
        select distinct on (job_name, case when not starts_with(job_name, 'sync_') then target_date end) id
        from etl_job_runs
        where status = 'SUCCESS'
        order by
            job_name asc,
            case when not starts_with(job_name, 'sync_') then target_date end asc,
            started_at desc,
            id asc
    )
