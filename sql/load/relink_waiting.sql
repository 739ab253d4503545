-- After a day's sessions are built: fills the links of one fact that waited for them.
-- Variables: fact (table), date_key (of the sessions), days (of the fact, as an array's text).
update :"fact" as fact
set
    session_key = fact_sessions.session_key,
    session_date_key = fact_sessions.date_key
from fact_sessions
where
    fact_sessions.date_key = :date_key
    and fact.session_id = fact_sessions.session_id
    and fact.session_key is null
    and fact.date_key = any(:'days'::integer[])
