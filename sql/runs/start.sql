-- Opens the record of a run. Variables: job_name, target_date, force_token (NULL without --force).
insert into etl_job_runs (job_name, run_date, target_date, status, started_at, force_token)
values (
    :'job_name',
    (clock_timestamp() at time zone 'UTC')::date,
    :'target_date'::date,
    'RUNNING',
    clock_timestamp(),
    :'force_token'
)
returning id
