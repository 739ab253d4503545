-- How many rows of the source a dimension should hold as present.
-- Variables: extract (a job's query), present (condition on its rows), required (columns that must not be NULL).
select count(*) as present
from (:extract) as extract -- noqa: AL05
where
    :present
    and row(:required) is not null
