-- Opens the snapshot: the source's clock, how far in time it has come (a replica: what it has replayed), and whether it
-- is a replica.
select
    clock_timestamp() as clock,
    case when pg_is_in_recovery() then pg_last_xact_replay_timestamp() else clock_timestamp() end as reached,
    pg_is_in_recovery() as is_replica
