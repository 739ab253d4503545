-- Opens the record of a run. Variables: run_id, job_name, target_date, force_token (NULL without --force).
-- It needn't reach the disk before the data do: a server that loses it has lost the run, too.
insert into etl_job_runs (id, job_name, run_date, target_date, status, started_at, force_token)
select
    :'run_id'::uuid,
    :'job_name',
    (clock_timestamp() at time zone 'UTC')::date,
    :'target_date'::date,
    'RUNNING',
    clock_timestamp(),
    :'force_token'
from (select set_config('synchronous_commit', 'off', true)) as quick
