-- How each job stands for a day that is over: of a fact the day itself, of a dimension its last sync, which must have
-- begun after the day's end. A job that never ran has no row. Variables: day.
with last_days as (
    select distinct on (job_name)
        job_name,
        state,
        last_status,
        rows_processed,
        rows_rejected,
        seconds,
        last_error,
        last_started_at
    from etl_job_days
    where kind = 'dimension' or day = :'day'::date
    order by job_name asc, day desc
)

select
    fresh.job_name,
    case
        when last_days.state = 'RUNNING' or fresh.kind = 'fact' then last_days.state
        when fresh.complete_through >= :'day'::date then 'SUCCESS'
        when fresh.last_status = 'FAILED' then 'FAILED'
    end as state,
    last_days.last_status,
    last_days.rows_processed,
    last_days.rows_rejected,
    last_days.seconds::double precision as seconds,
    last_days.last_error,
    last_days.last_started_at,
    fresh.complete_through,
    fresh.last_success_at
from etl_freshness as fresh
left join last_days on fresh.job_name = last_days.job_name
