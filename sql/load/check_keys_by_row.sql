-- Lets the foreign keys look up each row again, after check_keys_as_sets.sql: for what no check proves.
select set_config('session_replication_role', 'origin', true)
where current_setting('session_replication_role') = 'replica'
