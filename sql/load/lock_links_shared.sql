-- Taken by a fact that links to sessions before it reads them, and held until it commits: a build of sessions that ends
-- meanwhile waits, and then sees the rows to be linked.
select pg_advisory_xact_lock_shared(hashtext('aivo_luigi session links'), 0)
