-- Closes the record of a run that failed, after its data were rolled back. The run knows better why than another one
-- that found its lock free meanwhile (abandon.sql). Variables: run_id, message.
update etl_job_runs
set
    status = 'FAILED',
    error_message = :'message',
    duration_ms = extract(epoch from clock_timestamp() - started_at) * 1000,
    completed_at = clock_timestamp()
where
    id = :'run_id'::uuid
    and (status = 'RUNNING' or starts_with(error_message, 'abandoned: '))
returning duration_ms
