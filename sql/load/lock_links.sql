-- Taken by a build of sessions before it mends the links of other facts, and held until it commits: a fact that is
-- being built reads the sessions either before, and is seen here, or afterwards, and sees them.
select pg_advisory_xact_lock(hashtext('aivo_luigi session links'), 0)
