-- Each check returns the rows that break its promise. failing: the day is rolled back; warning: it is logged.
-- Variables: date_key.

-- failing: every_recommendation_was_created_on_the_day
select recommendation_id
from fact_recommendation_events
where
    date_key = :date_key
    and to_char(created_at, 'YYYYMMDD')::integer <> date_key;

-- failing: no_response_time_without_a_response
select recommendation_id
from fact_recommendation_events
where
    date_key = :date_key
    and response_time_seconds is not null
    and responded_at is null;

-- warning: no_recommendation_is_accepted_and_declined
select recommendation_id
from fact_recommendation_events
where
    date_key = :date_key
    and was_accepted
    and was_declined;
