-- Facts that are not complete though they are due: one row per job and day, from the first day on that was ever built.
-- Variables: jobs, hours (arrays' texts: a job, and how many hours after a day's end it is due), look_back_days.
with due as (
    select
        expected.job_name,
        past.day::date as day,
        (past.day + interval '1 day') at time zone 'UTC' as over_at,
        (past.day + interval '1 day') at time zone 'UTC' + make_interval(hours => expected.hours) as due_at
    from unnest(:'jobs'::text[], :'hours'::integer[]) as expected (job_name, hours)
    cross join
        generate_series(
            ((now() at time zone 'UTC')::date - :look_back_days)::timestamp,
            ((now() at time zone 'UTC')::date - 1)::timestamp,
            interval '1 day'
        ) as past (day)
    where not starts_with(expected.job_name, 'sync_')
)

select
    due.job_name,
    due.day,
    'not complete, and was due by ' || to_char(due.due_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"') as message,
    due.due_at as since
from due
where
    due.due_at <= now()
    and not exists (
        select
        from etl_job_runs as runs
        where
            runs.job_name = due.job_name
            and runs.target_date = due.day
            and runs.status = 'SUCCESS'
            and runs.started_at >= due.over_at
    )
    and due.day >= (
        select min(runs.target_date)
        from etl_job_runs as runs
        where
            runs.status = 'SUCCESS'
            and not starts_with(runs.job_name, 'sync_')
            and runs.started_at >= (runs.target_date + 1)::timestamp at time zone 'UTC'
    )
order by due.day desc, due.job_name asc
