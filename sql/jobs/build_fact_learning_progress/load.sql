-- Grain: one row per learner and subject, as they stood at the day's end. A level outside [0, 1] counts as unknown.
-- Variables: day_end, snapshot_at.
with states as (
    select
        stage.learner_id,
        dim_skill.subject_key,
        stage.practice_ms,
        stage.is_gained,
        case when stage.mastery_level between 0 and 1 then stage.mastery_level end as level
    from stage
    inner join dim_skill on stage.skill_id = dim_skill.skill_id
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
        (count(*) filter (where is_gained))::integer as skills_gained_today,
        (max(practice_ms) / 60000)::integer as practice_minutes_today
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
    progress.practice_minutes_today,
    history.began_at <= :'day_end'::timestamptz as is_exact,
    :'snapshot_at'::timestamptz as snapshot_at
from progress
inner join etl_watermarks as history on history.source_table = 'learner_skill_states'
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
