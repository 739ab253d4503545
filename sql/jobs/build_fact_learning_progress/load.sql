-- Grain: one row per learner and subject, as they stood at the day's end, out of the history of skill states. A level
-- outside [0, 1] counts as unknown. A skill is gained that is mastered then and was not at the end of the day before.
-- Reads practice: milliseconds per learner. Variables: day_start, day_end, snapshot_at.
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

states as (
    select
        held.learner_id,
        dim_skill.subject_key,
        case when held.mastery_level between 0 and 1 then held.mastery_level end as level,
        held.held_from >= :'day_start'::timestamptz and mastered_before.learner_id is null as is_new
    from etl_states_at(:'day_end'::timestamptz) as held
    inner join dim_skill on held.skill_id = dim_skill.skill_id
    left join mastered_before
        on
            held.learner_id = mastered_before.learner_id
            and held.skill_id = mastered_before.skill_id
),

progress as (
    select
        learner_id,
        subject_key,
        count(*)::integer as total_skills,
        (count(*) filter (where level >= 0.8))::integer as mastered_skills,
        (count(*) filter (where level > 0 and level < 0.8))::integer as in_progress_skills,
        (count(*) filter (where level = 0 or level is null))::integer as not_started_skills,
        coalesce(avg(level), 0) as average_mastery,
        (count(*) filter (where level >= 0.8 and is_new))::integer as skills_gained_today
    from states
    group by learner_id, subject_key
)

select
    tenant_version.tenant_key,
    learner_version.learner_key,
    progress.subject_key,
    progress.total_skills,
    progress.mastered_skills,
    progress.in_progress_skills,
    progress.not_started_skills,
    progress.average_mastery,
    progress.skills_gained_today,
    (coalesce(practice.practice_ms, 0) / 60000)::integer as practice_minutes_today,
    (
        select began_at <= :'day_end'::timestamptz
        from etl_watermarks
        where source_table = 'learner_skill_states'
    ) as is_exact,
    :'snapshot_at'::timestamptz as snapshot_at
from progress
left join practice on progress.learner_id = practice.learner_id
inner join learner_version
    on
        progress.learner_id = learner_version.learner_id
        and learner_version.valid_from <= :'snapshot_at'::timestamptz
        and learner_version.valid_to > :'snapshot_at'::timestamptz
inner join tenant_version
    on
        learner_version.tenant_id = tenant_version.tenant_id
        and tenant_version.valid_from <= :'snapshot_at'::timestamptz
        and tenant_version.valid_to > :'snapshot_at'::timestamptz
