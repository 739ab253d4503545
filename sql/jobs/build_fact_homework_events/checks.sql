-- Each check returns the rows that break its promise. failing: the day is rolled back; warning: it is logged.
-- Variables: date_key, day_start, day_end, look_back_key, look_ahead_key.

-- failing: every_submission_was_made_on_the_day
select submission_id
from fact_homework_events
where
    date_key = :date_key
    and (submitted_at < :'day_start'::timestamptz or submitted_at >= :'day_end'::timestamptz);

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

-- failing: every_key_is_the_right_member_of_its_dimension
select fact.submission_id
from fact_homework_events as fact
inner join stage on fact.submission_id = stage.submission_id
left join dim_tenant on fact.tenant_key = dim_tenant.tenant_key
left join dim_learner on fact.learner_key = dim_learner.learner_key
where
    fact.date_key = :date_key
    and (
        dim_tenant.tenant_id is distinct from stage.tenant_id
        or dim_learner.learner_id is distinct from stage.learner_id
    );

-- failing: no_submission_is_there_twice
select submission_id
from fact_homework_events
where date_key = :date_key
group by submission_id
having count(*) > 1;

-- warning: no_submission_is_there_on_another_day_too
select elsewhere.submission_id
from fact_homework_events as elsewhere
inner join fact_homework_events as fact
    on
        elsewhere.submission_id = fact.submission_id
        and fact.date_key = :date_key
where
    elsewhere.date_key between :look_back_key and :look_ahead_key
    and elsewhere.date_key <> :date_key;

-- failing: no_link_leads_nowhere
select fact.submission_id
from fact_homework_events as fact
left join session_link
    on
        fact.session_id = session_link.session_id
        and fact.session_date_key = session_link.session_date_key
where
    fact.date_key = :date_key
    and fact.session_key is distinct from session_link.session_key;

-- failing: the_sums_are_the_sources
with source as (
    select
        count(*) as number,
        coalesce(sum(step_count), 0) as step_count,
        coalesce(sum(steps_completed), 0) as steps_completed,
        coalesce(sum(hints_revealed), 0) as hints_revealed,
        coalesce(sum(correct_responses), 0) as correct_responses,
        coalesce(sum(total_responses), 0) as total_responses
    from stage
),

fact as (
    select
        count(*) as number,
        coalesce(sum(step_count), 0) as step_count,
        coalesce(sum(steps_completed), 0) as steps_completed,
        coalesce(sum(hints_revealed), 0) as hints_revealed,
        coalesce(sum(correct_responses), 0) as correct_responses,
        coalesce(sum(total_responses), 0) as total_responses
    from fact_homework_events
    where date_key = :date_key
)

select *
from source
except
select *
from fact;
