-- The history of skill states, second half: carries state_change out. Nothing changed: nothing is written.
update learner_skill_history as held
set held_to = state_change.held_from
from state_change
where
    held.learner_id = state_change.learner_id
    and held.skill_id = state_change.skill_id
    and held.held_to = 'infinity';

insert into learner_skill_history (learner_id, skill_id, state_id, tenant_id, mastery_level, is_gone, held_from)
select
    learner_id,
    skill_id,
    state_id,
    tenant_id,
    mastery_level,
    is_gone,
    held_from
from state_change
