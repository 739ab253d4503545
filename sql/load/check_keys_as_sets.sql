-- Spares the load the look-up that a foreign key makes for each row: the failing checks of the job look up all of them
-- at once, in the same transaction, and before these hold_keys.sql (a dimension: hold_members.sql) keeps the members
-- from going. Only where the role may set that (grant set on parameter session_replication_role), and nobody has
-- triggers of their own, which would not fire.
select set_config('session_replication_role', 'replica', true)
where
    has_parameter_privilege('session_replication_role', 'set')
    and not exists (
        select
        from pg_trigger
        where not tgisinternal
    )
