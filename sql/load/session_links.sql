-- The rows of fact_sessions to which the staged rows may refer: those of the days on which their sessions started.
-- Variables: days (of the sessions, as an array's text, so that other months are not even planned for).
create temporary table if not exists session_link (
    session_id uuid,
    session_key bigint,
    session_date_key integer
) on commit delete rows;

insert into session_link (session_id, session_key, session_date_key)
select
    session_id,
    session_key,
    date_key as session_date_key
from fact_sessions
where date_key = any(:'days'::integer[]);
