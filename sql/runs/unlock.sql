-- Gives the lock of lock.sql back. Variables: job_name, lock_day.
select pg_advisory_unlock(hashtext('aivo_luigi ' || :'job_name'), :lock_day)
