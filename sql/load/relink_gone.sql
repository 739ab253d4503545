-- After sessions have left a day: the links of one fact follow them to where they are now, or are cleared until they
-- turn up. Looks for them on all days. Variables: fact (table), date_key (of the day that they left).
-- Reads day_before (the day as it was) and fact_sessions.
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
    and fact.session_key is not null
