-- Each check returns the rows that break its promise. failing: the day is rolled back; warning: it is logged.
-- Variables: date_key.

-- failing: every_event_happened_on_the_day
select event_id
from fact_focus_events
where
    date_key = :date_key
    and to_char(event_time, 'YYYYMMDD')::integer <> date_key;

-- failing: no_link_to_a_session_without_its_day
select event_id
from fact_focus_events
where
    date_key = :date_key
    and session_key is not null
    and session_date_key is null;

-- warning: every_event_has_a_known_session
select event_id
from fact_focus_events
where
    date_key = :date_key
    and session_date_key is null;
