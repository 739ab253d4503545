-- Each check returns the rows that break its promise. failing: the day is rolled back; warning: it is logged.
-- Variables: date_key.

-- failing: no_count_is_negative
select session_id
from fact_sessions
where
    date_key = :date_key
    and least(
        duration_seconds, activities_assigned, activities_completed, activities_skipped, correct_responses,
        incorrect_responses, hints_used, focus_breaks_count, focus_interventions_count
    ) < 0;

-- failing: every_session_started_on_the_day
select session_id
from fact_sessions
where
    date_key = :date_key
    and to_char(started_at, 'YYYYMMDD')::integer <> date_key;

-- warning: no_session_ends_before_it_starts
select session_id
from fact_sessions
where
    date_key = :date_key
    and ended_at < started_at;
