-- Source: how many learner_skill_states there are that can be loaded. One row.
select count(*) as states
from learner_skill_states
where
    id is not null
    and tenant_id is not null
    and learner_id is not null
    and skill_id is not null
