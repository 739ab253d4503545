-- The skill states that ended before a day: none of them was in force when it began, or later. Variables: before.
select learner_skill_history.ctid
from learner_skill_history
where
    held_to < 'infinity'
    and held_to < :'before'::date
