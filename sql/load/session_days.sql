-- The days on which the sessions started that the staged rows name. One row: their keys, as an array; NULL for none.
select array_agg(distinct session_date_key) as days
from stage
where session_date_key is not null
