-- Each check returns the rows that break its promise. failing: the day is rolled back; warning: it is logged.
-- Variables: date_key.

-- failing: the_three_kinds_add_up_to_the_total
select
    learner_key,
    subject_key
from fact_learning_progress
where
    date_key = :date_key
    and mastered_skills + in_progress_skills + not_started_skills <> total_skills;

-- failing: average_mastery_lies_between_0_and_1
select
    learner_key,
    subject_key
from fact_learning_progress
where
    date_key = :date_key
    and average_mastery not between 0 and 1;

-- failing: no_more_skills_gained_than_mastered
select
    learner_key,
    subject_key
from fact_learning_progress
where
    date_key = :date_key
    and skills_gained_today > mastered_skills;

-- warning: nobody_practises_more_than_a_day_in_a_day
select
    learner_key,
    subject_key
from fact_learning_progress
where
    date_key = :date_key
    and practice_minutes_today > 1440;
