-- The history of skill states, first half: what happens to each learner's skill. One row in state_change per state that
-- begins; where nothing changed, none. Reads stage: what was read of the source; and rejected: a state that can't
-- be loaded is not gone.
-- Variables: clock, whole (whether everything was read, so that what is missing is gone), not_rejected (condition).
create temporary table if not exists state_change (
    learner_id uuid,
    skill_id uuid,
    state_id uuid,
    tenant_id uuid,
    mastery_level numeric,
    is_gone boolean,
    held_from timestamptz
) on commit delete rows;

insert into state_change (learner_id, skill_id, state_id, tenant_id, mastery_level, is_gone, held_from)
select
    stage.learner_id,
    stage.skill_id,
    stage.state_id,
    stage.tenant_id,
    stage.mastery_level,
    false as is_gone,
    etl_effective(
        stage.updated_at, coalesce(held.held_from, timestamptz '-infinity'), :'clock'::timestamptz
    ) as held_from
from stage
left join learner_skill_history as held
    on
        stage.learner_id = held.learner_id
        and stage.skill_id = held.skill_id
        and held.held_to = 'infinity'
where
    held.learner_id is null
    or held.is_gone
    or held.mastery_level is distinct from stage.mastery_level
union all
select
    held.learner_id,
    held.skill_id,
    held.state_id,
    held.tenant_id,
    null as mastery_level,
    true as is_gone,
    etl_effective(null, held.held_from, :'clock'::timestamptz) as held_from
from learner_skill_history as held
where
    :'whole'::boolean
    and held.held_to = 'infinity'
    and not held.is_gone
    and not exists (
        select
        from stage
        where
            stage.learner_id = held.learner_id
            and stage.skill_id = held.skill_id
    )
    and :not_rejected;

analyze state_change;

select
    count(*) filter (where is_gone) as gone,
    (select count(*) from learner_skill_history where held_to = 'infinity' and not is_gone) as held
from state_change
