-- Days of which too much was rejected: records in etl_rejected_rows per row read, by the last run that succeeded.
-- Of a dimension only its last day. Variables: jobs (an array's text), look_back_days, share (text of a number).
select
    job_name,
    day,
    rows_rejected || ' rows or fields of ' || rows_processed || ' rows read were rejected' as message,
    started_at as since
from etl_job_days as standing
where
    job_name = any(:'jobs'::text[])
    and day >= (now() at time zone 'UTC')::date - :look_back_days
    and rows_rejected > :'share'::numeric * rows_processed
    and (
        kind = 'fact'
        or started_at = (
            select last_success_at
            from etl_freshness
            where etl_freshness.job_name = standing.job_name
        )
    )
order by day desc, job_name asc
