-- After a day's sessions are built: the links of one fact to them. Links that waited for these sessions are filled;
-- links to sessions that have left the day follow them to where they are now, or are cleared until they turn up.
-- Variables: fact (table), date_key. Reads day_before (the day as it was) and fact_sessions.
update :"fact" as fact
set
    session_key = fact_sessions.session_key,
    session_date_key = fact_sessions.date_key
from fact_sessions
where
    fact_sessions.date_key = :date_key
    and fact.session_id = fact_sessions.session_id
    and fact.session_key is null;

update :"fact" as fact
set
    session_key = elsewhere.session_key,
    session_date_key = elsewhere.date_key
from (
    select
        day_before.session_id,
        fact_sessions.session_key,
        fact_sessions.date_key
    from day_before
    left join fact_sessions
        on
            day_before.session_id = fact_sessions.session_id
            and fact_sessions.date_key <> :date_key
    where not exists (
        select
        from fact_sessions as today
        where
            today.date_key = :date_key
            and today.session_id = day_before.session_id
    )
) as elsewhere
where
    fact.session_id = elsewhere.session_id
    and fact.session_date_key = :date_key
    and fact.session_key is not null;
