-- Each check returns the rows that break its promise. failing: the day is rolled back; warning: it is logged.
-- Variables: date_key, day_start, day_end.

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

-- failing: every_key_is_the_right_member_of_its_dimension
select
    fact.learner_key,
    fact.subject_key
from fact_learning_progress as fact
left join dim_tenant on fact.tenant_key = dim_tenant.tenant_key
left join dim_learner on fact.learner_key = dim_learner.learner_key
left join dim_subject on fact.subject_key = dim_subject.subject_key
where
    fact.date_key = :date_key
    and (
        dim_learner.learner_key is null
        or dim_tenant.tenant_id is distinct from dim_learner.tenant_id
        or dim_subject.subject_key is null
    );

-- failing: every_learner_is_there_in_one_version
with versions as (
    select distinct learner_key
    from fact_learning_progress
    where date_key = :date_key
)

select dim_learner.learner_id
from versions
inner join dim_learner on versions.learner_key = dim_learner.learner_key
group by dim_learner.learner_id
having count(*) > 1;

-- failing: the_sums_are_the_sources
with mastered_before as (
    select
        learner_id,
        skill_id
    from learner_skill_history
    where
        held_from < :'day_start'::timestamptz
        and held_to >= :'day_start'::timestamptz
        and held_to < :'day_end'::timestamptz
        and mastery_level between 0.8 and 1
),

source as (
    select
        count(*) as total_skills,
        count(*) filter (where held.mastery_level between 0.8 and 1) as mastered_skills,
        count(*) filter (
            where held.mastery_level between 0.8 and 1
            and held.held_from >= :'day_start'::timestamptz
            and mastered_before.learner_id is null
        ) as skills_gained_today
    from etl_states_at(:'day_end'::timestamptz) as held
    left join mastered_before
        on
            held.learner_id = mastered_before.learner_id
            and held.skill_id = mastered_before.skill_id
),

fact as (
    select
        coalesce(sum(total_skills), 0) as total_skills,
        coalesce(sum(mastered_skills), 0) as mastered_skills,
        coalesce(sum(skills_gained_today), 0) as skills_gained_today
    from fact_learning_progress
    where date_key = :date_key
)

select *
from source
except
select *
from fact;
