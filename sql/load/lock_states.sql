-- Taken before a read of the skill states and held until it commits, so that reads are merged in their order.
select pg_advisory_xact_lock(hashtext('aivo_luigi skill states'), 0)
