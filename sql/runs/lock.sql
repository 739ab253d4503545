-- Takes the lock of a job and day, waiting for whoever holds it; a dimension's day means little, so its number is 0.
-- Held by the session until runs/unlock.sql, or until the session ends, however it ends. Variables: job_name, lock_day.
select pg_advisory_lock(hashtext('aivo_luigi ' || :'job_name'), :lock_day)
