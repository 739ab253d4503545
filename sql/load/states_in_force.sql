-- The skill states as they stood at the day's end, out of the history, with the day's practice: makes stage.
-- A skill is gained when it is mastered then and was not at the end of the day before.
-- Reads practice: milliseconds per learner. Variables: day_start, day_end.
create temporary table stage on commit drop as
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
)

select
    held.learner_id,
    held.skill_id,
    held.state_id,
    held.tenant_id,
    held.mastery_level,
    coalesce(practice.practice_ms, 0) as practice_ms,
    held.held_from >= :'day_start'::timestamptz
    and held.mastery_level between 0.8 and 1
    and mastered_before.learner_id is null as is_gained
from learner_skill_history as held
left join practice on held.learner_id = practice.learner_id
left join mastered_before
    on
        held.learner_id = mastered_before.learner_id
        and held.skill_id = mastered_before.skill_id
where
    held.held_from < :'day_end'::timestamptz
    and held.held_to >= :'day_end'::timestamptz
    and not held.is_gone
