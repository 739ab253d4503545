-- Closes the record of a run, in the transaction of its data.
-- Variables: run_id, processed, inserted, updated, deleted, rejected.
update etl_job_runs
set
    status = 'SUCCESS',
    rows_processed = :processed,
    rows_inserted = :inserted,
    rows_updated = :updated,
    rows_deleted = :deleted,
    rows_rejected = :rejected,
    duration_ms = extract(epoch from clock_timestamp() - started_at) * 1000,
    completed_at = clock_timestamp()
where id = :'run_id'::uuid
returning duration_ms
