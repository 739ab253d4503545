-- The latest runs, and the latest failed ones since a day, newest first. Variables: most (of either), first_day.
with latest as (
    select run_id
    from etl_recent_runs
    order by started_at desc, run_id asc
    limit :most
),

latest_failed as (
    select run_id
    from etl_recent_runs
    where status = 'FAILED' and started_at >= :'first_day'::timestamp at time zone 'UTC'
    order by started_at desc, run_id asc
    limit :most
)

select
    run_id,
    job_name,
    target_date,
    case when is_provisional then 'PROVISIONAL' else status end as state,
    rows_processed,
    rows_inserted,
    rows_updated,
    rows_deleted,
    rows_rejected,
    seconds::double precision as seconds,
    error_message,
    started_at
from etl_recent_runs
where
    run_id in (
        select run_id from latest
        union all
        select run_id from latest_failed
    )
order by started_at desc, run_id asc
