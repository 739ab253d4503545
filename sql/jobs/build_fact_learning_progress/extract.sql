-- Source: learner_skill_states last changed before day_end, and each learner's practice on the day.
-- One row per learner and skill. Variables: day_start, day_end.
select
    states.id::uuid as state_id,
    states.tenant_id::uuid as tenant_id,
    states.learner_id::uuid as learner_id,
    states.skill_id::uuid as skill_id,
    states.mastery_level::numeric as mastery_level,
    states.updated_at::timestamptz as updated_at,
    coalesce(practice.practice_ms, 0)::bigint as practice_ms
from learner_skill_states as states
left join (
    select
        learner_id,
        sum(greatest(duration_ms, 0)) as practice_ms
    from sessions
    where
        started_at >= :'day_start'::timestamptz
        and started_at < :'day_end'::timestamptz
        and session_type::text in ('LEARNING', 'PRACTICE')
    group by learner_id
) as practice on states.learner_id = practice.learner_id
where states.updated_at < :'day_end'::timestamptz
