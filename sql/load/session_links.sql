-- The rows of fact_sessions to which the staged rows may refer: those of the days on which their sessions started.
-- Variables: days (of the sessions, as an array's text, so that other months are not even planned for).
create temporary table session_link on commit drop as
select
    session_id,
    session_key,
    date_key as session_date_key
from fact_sessions
where date_key = any(:'days'::integer[]);
