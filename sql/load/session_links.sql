-- The rows of fact_sessions to which the staged rows may refer: those of the days on which their sessions started.
create temporary table session_day on commit drop as
select distinct session_date_key from stage where session_date_key is not null;

analyze session_day;

create temporary table session_link on commit drop as
select
    fact_sessions.session_id,
    fact_sessions.session_key,
    fact_sessions.date_key as session_date_key
from session_day
inner join fact_sessions on session_day.session_date_key = fact_sessions.date_key;

analyze session_link;
