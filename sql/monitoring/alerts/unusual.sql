-- Facts that have far fewer, or far more, rows for a day than was to be expected: the view etl_row_expectations knows.
-- Variables: jobs (an array's text), unusual_days.
select
    job_name,
    day,
    to_char(rows_counted, 'FM999,999,999,990') || ' rows, where '
    || to_char(lower_rows, 'FM999,999,999,990') || ' to ' || to_char(upper_rows, 'FM999,999,999,990')
    || ' were to be expected' as message,
    (
        select max(runs.started_at)
        from etl_job_runs as runs
        where
            runs.job_name = etl_row_expectations.job_name
            and runs.target_date = etl_row_expectations.day
            and runs.status = 'SUCCESS'
    ) as since
from etl_row_expectations
where
    is_unusual
    and job_name = any(:'jobs'::text[])
    and day >= (now() at time zone 'UTC')::date - :unusual_days
order by day desc, job_name asc
