-- The days of a fact on which rows wait for a session that is staged: rows that have no link yet are few, and have an
-- index of their own in each partition. One row: the days' keys, as an array. Variables: fact (table).
select array_agg(distinct date_key) as days
from :"fact"
where
    session_key is null
    and session_id in (select stage.session_id from stage)
