-- The views that aivo-etl, its report and any dashboard look at: what ran, what stands, how fresh it is.

create view etl_recent_runs as
select
    id as run_id,
    job_name,
    case when starts_with(job_name, 'sync_') then 'dimension' else 'fact' end as kind,
    target_date,
    status,
    status = 'SUCCESS' and started_at < (target_date + 1)::timestamp at time zone 'UTC' as is_provisional,
    rows_processed,
    rows_inserted,
    rows_updated,
    rows_deleted,
    rows_rejected,
    duration_ms / 1000.0 as seconds,
    round(rows_processed * 1000.0 / nullif(duration_ms, 0)) as rows_per_second,
    error_message,
    started_at,
    completed_at,
    force_token
from etl_job_runs
order by started_at desc;

comment on view etl_recent_runs is 'Every run, the newest first: the view to begin with.';
comment on column etl_recent_runs.run_id is 'Id of the run.';
comment on column etl_recent_runs.job_name is 'Name of the job.';
comment on column etl_recent_runs.kind is 'dimension or fact.';
comment on column etl_recent_runs.target_date is 'Day that was built; for a dimension, the day for which it was asked.';
comment on column etl_recent_runs.status is 'RUNNING, SUCCESS, FAILED or SKIPPED.';
comment on column etl_recent_runs.is_provisional is
'Whether it succeeded before its day was over: once it is, the day is built again.';
comment on column etl_recent_runs.rows_processed is 'Rows read of the job''s main table.';
comment on column etl_recent_runs.rows_inserted is 'Rows written; for a dimension, ids first seen.';
comment on column etl_recent_runs.rows_updated is 'Ids of a dimension that changed, came back, or were completed.';
comment on column etl_recent_runs.rows_deleted is
'Rows that the rebuilt day had before; for a dimension, ids closed or deactivated.';
comment on column etl_recent_runs.rows_rejected is 'Records written to etl_rejected_rows.';
comment on column etl_recent_runs.seconds is 'Length of the run; 0 while it runs.';
comment on column etl_recent_runs.rows_per_second is 'Rows read per second; NULL where the run took no time.';
comment on column etl_recent_runs.error_message is 'Why the run failed, in one line.';
comment on column etl_recent_runs.started_at is 'When it started, by the warehouse''s clock.';
comment on column etl_recent_runs.completed_at is 'When it ended; NULL while it runs.';
comment on column etl_recent_runs.force_token is 'Name or token of the --force that asked for it.';

create view etl_daily_success as
select
    run_date,
    count(*) filter (where status = 'SUCCESS') as success_count,
    count(*) filter (where status = 'FAILED') as failed_count,
    count(*) as total,
    round(
        count(*) filter (where status = 'SUCCESS')::numeric
        / nullif(count(*) filter (where status in ('SUCCESS', 'FAILED')), 0), 4
    ) as success_rate
from etl_job_runs
group by run_date
order by run_date desc;

comment on view etl_daily_success is 'How the runs of a day ended; a day is that on which they started.';
comment on column etl_daily_success.run_date is 'UTC day on which the runs started.';
comment on column etl_daily_success.success_count is 'Runs that succeeded.';
comment on column etl_daily_success.failed_count is 'Runs that failed.';
comment on column etl_daily_success.total is 'All runs, also those that still run.';
comment on column etl_daily_success.success_rate is
'Succeeded ones among those that have ended, 0 to 1; NULL while none has.';

create view etl_job_days as
with runs as (
    select
        job_name,
        case when starts_with(job_name, 'sync_') then run_date else target_date end as day,
        status,
        rows_processed,
        rows_inserted,
        rows_updated,
        rows_deleted,
        rows_rejected,
        duration_ms,
        error_message,
        started_at,
        starts_with(job_name, 'sync_')
        or started_at >= (target_date + 1)::timestamp at time zone 'UTC' as is_final
    from etl_job_runs
),

last_runs as (
    select distinct on (job_name, day)
        job_name,
        day,
        status,
        error_message,
        started_at
    from runs
    order by job_name asc, day asc, started_at desc
),

successes as (
    select distinct on (job_name, day)
        *,
        count(*) over (partition by job_name, day) as number
    from runs
    where status = 'SUCCESS'
    order by job_name asc, day asc, started_at desc
)

select
    last_runs.job_name,
    case when starts_with(last_runs.job_name, 'sync_') then 'dimension' else 'fact' end as kind,
    last_runs.day,
    case
        when last_runs.status = 'RUNNING' then 'RUNNING'
        when successes.is_final then 'SUCCESS'
        when successes.number > 0 then 'PROVISIONAL'
        else last_runs.status
    end as state,
    last_runs.status as last_status,
    case when last_runs.status = 'FAILED' then last_runs.error_message end as last_error,
    last_runs.started_at as last_started_at,
    coalesce(successes.number, 0) as successes,
    successes.rows_processed,
    successes.rows_inserted,
    successes.rows_updated,
    successes.rows_deleted,
    successes.rows_rejected,
    successes.duration_ms / 1000.0 as seconds,
    successes.started_at
from last_runs
left join successes
    on
        last_runs.job_name = successes.job_name
        and last_runs.day = successes.day;

comment on view etl_job_days is
'Rows and seconds by job and day: how each stands now. A fact''s day is the day that was built, a dimension''s the day '
'on which it was synced. A day on which nothing ran has no row.';
comment on column etl_job_days.job_name is 'Name of the job.';
comment on column etl_job_days.kind is 'dimension or fact.';
comment on column etl_job_days.day is 'UTC day.';
comment on column etl_job_days.state is
'SUCCESS; PROVISIONAL when a fact was built before its day was over; RUNNING; FAILED when no run has succeeded.';
comment on column etl_job_days.last_status is 'How the last run ended; it may have failed though the day stands.';
comment on column etl_job_days.last_error is 'Why the last run failed, if it did.';
comment on column etl_job_days.last_started_at is 'When the last run started.';
comment on column etl_job_days.successes is 'How many runs succeeded.';
comment on column etl_job_days.rows_processed is 'Rows read by the last run that succeeded; NULL where none did.';
comment on column etl_job_days.rows_inserted is 'Rows that it wrote; for a dimension, ids first seen.';
comment on column etl_job_days.rows_updated is 'Ids of a dimension that changed, came back, or were completed.';
comment on column etl_job_days.rows_deleted is
'Rows that the rebuilt day had before; for a dimension, ids closed or deactivated.';
comment on column etl_job_days.rows_rejected is 'Records that it wrote to etl_rejected_rows.';
comment on column etl_job_days.seconds is 'How long it took.';
comment on column etl_job_days.started_at is 'When it started.';

create view etl_freshness as
select
    job_name,
    case when starts_with(job_name, 'sync_') then 'dimension' else 'fact' end as kind,
    max(
        case
            when starts_with(job_name, 'sync_') then (started_at at time zone 'UTC')::date - 1
            when started_at >= (target_date + 1)::timestamp at time zone 'UTC' then target_date
        end
    ) filter (where status = 'SUCCESS') as complete_through,
    max(started_at) filter (where status = 'SUCCESS') as last_success_at,
    date_trunc('second', now() - max(started_at) filter (where status = 'SUCCESS')) as age,
    (array_agg(status order by started_at desc))[1] as last_status,
    max(started_at) as last_started_at
from etl_job_runs
group by job_name
order by job_name;

comment on view etl_freshness is 'How fresh each job''s data are.';
comment on column etl_freshness.job_name is 'Name of the job.';
comment on column etl_freshness.kind is 'dimension or fact.';
comment on column etl_freshness.complete_through is
'The newest day that is complete; days before it may be missing all the same. A dimension is complete for every day '
'that was over when it was synced.';
comment on column etl_freshness.last_success_at is 'When the last run that succeeded started; NULL where none did.';
comment on column etl_freshness.age is 'How long ago that was.';
comment on column etl_freshness.last_status is 'How the last run ended.';
comment on column etl_freshness.last_started_at is 'When the last run started.';

create view etl_rejects as
select
    job_name,
    target_date,
    source_table,
    field,
    reason,
    count(*) as records,
    max(rejected_at) as last_rejected_at
from etl_rejected_rows
group by job_name, target_date, source_table, field, reason;

comment on view etl_rejects is
'What could not be loaded, counted by reason: without ids and payloads, so that analysts may see it.';
comment on column etl_rejects.job_name is 'Job that recorded it.';
comment on column etl_rejects.target_date is 'Day that was built.';
comment on column etl_rejects.source_table is 'Table of the source that the rows came from.';
comment on column etl_rejects.field is 'Field that was left out; NULL when the whole row was.';
comment on column etl_rejects.reason is 'Why.';
comment on column etl_rejects.records is 'How many records there are.';
comment on column etl_rejects.last_rejected_at is 'When the last one was recorded.';
