-- Each check returns the rows that break its promise. failing: the day is rolled back; warning: it is logged.
-- Variables: date_key.

-- failing: every_submission_was_made_on_the_day
select submission_id
from fact_homework_events
where
    date_key = :date_key
    and to_char(submitted_at, 'YYYYMMDD')::integer <> date_key;

-- failing: no_more_correct_responses_than_responses
select submission_id
from fact_homework_events
where
    date_key = :date_key
    and correct_responses > total_responses;

-- warning: completion_rate_lies_between_0_and_1
select submission_id
from fact_homework_events
where
    date_key = :date_key
    and completion_rate not between 0 and 1;

-- warning: no_more_steps_completed_than_there_are
select submission_id
from fact_homework_events
where
    date_key = :date_key
    and steps_completed > step_count;
