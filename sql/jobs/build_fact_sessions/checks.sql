-- Each check returns the rows that break its promise. failing: the day is rolled back; warning: it is logged.
-- Variables: date_key, day_start, day_end, look_back_key, look_ahead_key.

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
    and (started_at < :'day_start'::timestamptz or started_at >= :'day_end'::timestamptz);

-- warning: no_session_ends_before_it_starts
select session_id
from fact_sessions
where
    date_key = :date_key
    and ended_at < started_at;

-- failing: every_key_is_the_right_member_of_its_dimension
select fact.session_id
from fact_sessions as fact
inner join stage on fact.session_id = stage.session_id
left join dim_tenant on fact.tenant_key = dim_tenant.tenant_key
left join dim_learner on fact.learner_key = dim_learner.learner_key
where
    fact.date_key = :date_key
    and (
        dim_tenant.tenant_id is distinct from stage.tenant_id
        or dim_learner.learner_id is distinct from stage.learner_id
    );

-- failing: no_session_is_there_twice
select session_id
from fact_sessions
where date_key = :date_key
group by session_id
having count(*) > 1;

-- warning: no_session_is_there_on_another_day_too
select elsewhere.session_id
from fact_sessions as elsewhere
inner join fact_sessions as fact
    on
        elsewhere.session_id = fact.session_id
        and fact.date_key = :date_key
where
    elsewhere.date_key between :look_back_key and :look_ahead_key
    and elsewhere.date_key <> :date_key;

-- failing: the_sums_are_the_sources
with source as (
    select
        count(*) as number,
        coalesce(sum(floor(greatest(duration_ms, 0) / 1000.0)), 0) as duration_seconds,
        coalesce(sum(activities_assigned), 0) as activities_assigned,
        coalesce(sum(activities_completed), 0) as activities_completed,
        coalesce(sum(activities_skipped), 0) as activities_skipped,
        coalesce(sum(correct_responses), 0) as correct_responses,
        coalesce(sum(incorrect_responses), 0) as incorrect_responses,
        coalesce(sum(hints_used), 0) as hints_used,
        coalesce(sum(focus_breaks_count), 0) as focus_breaks_count,
        coalesce(sum(focus_interventions_count), 0) as focus_interventions_count
    from stage
),

fact as (
    select
        count(*) as number,
        coalesce(sum(duration_seconds), 0) as duration_seconds,
        coalesce(sum(activities_assigned), 0) as activities_assigned,
        coalesce(sum(activities_completed), 0) as activities_completed,
        coalesce(sum(activities_skipped), 0) as activities_skipped,
        coalesce(sum(correct_responses), 0) as correct_responses,
        coalesce(sum(incorrect_responses), 0) as incorrect_responses,
        coalesce(sum(hints_used), 0) as hints_used,
        coalesce(sum(focus_breaks_count), 0) as focus_breaks_count,
        coalesce(sum(focus_interventions_count), 0) as focus_interventions_count
    from fact_sessions
    where date_key = :date_key
)

select *
from source
except
select *
from fact;
