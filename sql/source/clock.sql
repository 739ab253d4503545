-- Opens the snapshot: the source's clock, how far in time it has come (a replica: what it has replayed), and whether it
-- is a replica. A day is a small part of a long source: pages are not dearer in its index's order than in the table's,
-- as PostgreSQL assumes of disks that turn, so that a whole table is not read where an index leads to the day.
select set_config('random_page_cost', least(current_setting('random_page_cost')::numeric, 1.1)::text, true);

select
    clock_timestamp() as clock,
    case when pg_is_in_recovery() then pg_last_xact_replay_timestamp() else clock_timestamp() end as reached,
    pg_is_in_recovery() as is_replica
