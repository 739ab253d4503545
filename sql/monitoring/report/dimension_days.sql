-- What the syncs of each dimension did by day, and the members after it: ids first seen less ids closed, since the
-- first sync. What came before the first day is one row, of the day before it. Variables: first_day, last_day.
with by_day as (
    select
        job_name,
        greatest((started_at at time zone 'UTC')::date, :'first_day'::date - 1) as day,
        sum(rows_inserted)::bigint as inserted,
        sum(rows_updated)::bigint as updated,
        sum(rows_deleted)::bigint as deleted
    from etl_recent_runs
    where
        kind = 'dimension'
        and status = 'SUCCESS'
        and (started_at at time zone 'UTC')::date <= :'last_day'::date
    group by job_name, day
)

select
    *,
    (sum(inserted - deleted) over (partition by job_name order by day))::bigint as members
from by_day
order by job_name, day
