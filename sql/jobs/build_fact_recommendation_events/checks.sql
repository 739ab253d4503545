-- Each check returns the rows that break its promise. failing: the day is rolled back; warning: it is logged.
-- Variables: date_key, day_start, day_end, look_back_key, look_ahead_key.

-- failing: every_recommendation_was_created_on_the_day
select recommendation_id
from fact_recommendation_events
where
    date_key = :date_key
    and (created_at < :'day_start'::timestamptz or created_at >= :'day_end'::timestamptz);

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

-- failing: every_key_is_the_right_member_of_its_dimension
select fact.recommendation_id
from fact_recommendation_events as fact
inner join stage on fact.recommendation_id = stage.recommendation_id
left join dim_tenant on fact.tenant_key = dim_tenant.tenant_key
left join dim_learner on fact.learner_key = dim_learner.learner_key
left join dim_skill on fact.skill_key = dim_skill.skill_key
where
    fact.date_key = :date_key
    and (
        dim_tenant.tenant_id is distinct from stage.tenant_id
        or dim_learner.learner_id is distinct from stage.learner_id
        or dim_skill.skill_id is distinct from stage.skill_id
    );

-- failing: no_recommendation_is_there_twice
select recommendation_id
from fact_recommendation_events
where date_key = :date_key
group by recommendation_id
having count(*) > 1;

-- warning: no_recommendation_is_there_on_another_day_too
select elsewhere.recommendation_id
from fact_recommendation_events as elsewhere
inner join fact_recommendation_events as fact
    on
        elsewhere.recommendation_id = fact.recommendation_id
        and fact.date_key = :date_key
where
    elsewhere.date_key between :look_back_key and :look_ahead_key
    and elsewhere.date_key <> :date_key;

-- failing: the_sums_are_the_sources
with source as (
    select
        count(*) as number,
        count(*) filter (where was_accepted) as accepted,
        count(*) filter (where was_declined) as declined,
        count(skill_id) as skills
    from stage
),

fact as (
    select
        count(*) as number,
        count(*) filter (where was_accepted) as accepted,
        count(*) filter (where was_declined) as declined,
        count(skill_key) as skills
    from fact_recommendation_events
    where date_key = :date_key
)

select *
from source
except
select *
from fact;
