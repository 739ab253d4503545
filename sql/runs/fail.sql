-- Closes the record of a run that failed, after its data were rolled back. Variables: run_id, message.
update etl_job_runs
set
    status = 'FAILED',
    error_message = :'message',
    duration_ms = extract(epoch from clock_timestamp() - started_at) * 1000,
    completed_at = clock_timestamp()
where
    id = :'run_id'::uuid
    and status = 'RUNNING'
returning duration_ms
