-- Dimensions that were not synced for longer than their schedule allows, or never.
-- Variables: jobs, hours (arrays' texts: a job, and the hours that may pass between two syncs).
select
    expected.job_name,
    null::date as day,
    case
        when etl_freshness.last_success_at is null then 'never synced'
        else 'not synced for more than ' || expected.hours || ' hours'
    end as message,
    etl_freshness.last_success_at as since
from unnest(:'jobs'::text[], :'hours'::integer[]) as expected (job_name, hours)
left join etl_freshness on expected.job_name = etl_freshness.job_name
where
    starts_with(expected.job_name, 'sync_')
    and coalesce(etl_freshness.last_success_at < now() - make_interval(hours => expected.hours), true)
order by expected.job_name
