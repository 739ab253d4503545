-- How many rows of the source a dimension should hold as present, those that can't be loaded included.
-- Variables: extract (a job's query), present (condition on its rows).
select count(*) as present
from (:extract) as extract -- noqa: AL05
where :present
