-- After sessions have left a day: the links of one fact follow them to where they are now, or are cleared until they
-- turn up. Looks for them on all days. Variables: fact (table), date_key (of the day that they left), gone (the ids of
-- the sessions, as an array's text). The first condition follows from the second, and lets an index find the rows.
update :"fact" as fact
set
    session_key = elsewhere.session_key,
    session_date_key = elsewhere.date_key
from (
    select
        gone.session_id,
        fact_sessions.session_key,
        fact_sessions.date_key
    from unnest(:'gone'::uuid[]) as gone (session_id)
    left join fact_sessions
        on
            gone.session_id = fact_sessions.session_id
            and fact_sessions.date_key <> :date_key
) as elsewhere
where
    fact.session_id = any(:'gone'::uuid[])
    and fact.session_id = elsewhere.session_id
    and fact.session_date_key = :date_key
    and fact.session_key is not null
