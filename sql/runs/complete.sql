-- Which jobs are complete for which days, by the warehouse's clock. One row: the clock, and two arrays side by side.
-- A fact is complete for a day when a run for that day started at or after the day's end; a dimension when any run did,
-- for it copies the present. While the day still runs, any run for it (a dimension: any that started on it) counts.
-- Dimensions are the jobs named sync_….
-- Variables: jobs, days (as an array's text), force_token (empty: any run counts).
with asked as (
    select
        day,
        day::timestamp at time zone 'UTC' as starts_at,
        (day + 1)::timestamp at time zone 'UTC' as ends_at
    from unnest(:'days'::date[]) as days (day)
),

complete as (
    select distinct
        runs.job_name,
        asked.day
    from asked
    inner join etl_job_runs as runs on asked.day = runs.target_date
    where
        runs.status = 'SUCCESS'
        and runs.job_name = any(:'jobs'::text[])
        and not starts_with(runs.job_name, 'sync_')
        and (:'force_token' = '' or runs.force_token = :'force_token')
        and (runs.started_at >= asked.ends_at or now() < asked.ends_at)
    union all
    select
        synced.job_name,
        asked.day
    from asked
    cross join (
        select
            job_name,
            max(started_at) as started_at
        from etl_job_runs
        where
            status = 'SUCCESS'
            and job_name = any(:'jobs'::text[])
            and starts_with(job_name, 'sync_')
            and (:'force_token' = '' or force_token = :'force_token')
        group by job_name
    ) as synced
    where
        synced.started_at >= asked.ends_at
        or (now() < asked.ends_at and synced.started_at >= asked.starts_at)
)

select
    now() as clock,
    coalesce(array_agg(job_name), '{}') as jobs,
    coalesce(array_agg(day), '{}') as days
from complete
