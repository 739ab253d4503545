-- The fields that can't be read. One row per field and state; levels of the states that count on the day.
-- Variables: day_end.
select
    'learner_skill_states' as source_table,
    state_id::text as source_id,
    'mastery_level' as field,
    'no number from 0 to 1' as reason,
    jsonb_build_object('mastery_level', mastery_level) as payload
from etl_states_at(:'day_end'::timestamptz)
where mastery_level not between 0 and 1
union all
select
    'learner_skill_states' as source_table,
    state_id::text as source_id,
    'updated_at' as field,
    'infinite' as reason,
    jsonb_build_object('updated_at', updated_at) as payload
from stage
where not isfinite(updated_at)
