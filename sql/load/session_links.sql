-- The rows of fact_sessions to which the staged rows may refer: those of the days on which their sessions started.
-- The days are given as an array, so that other months are not even looked at.
create temporary table session_link on commit drop as
select
    session_id,
    session_key,
    date_key as session_date_key
from fact_sessions
where date_key = any(array(select distinct stage.session_date_key from stage));

analyze session_link;
