-- Source: the skill states by learner and subject, counted where they are, with the day's practice. Variables: day.
copy (
    with states as (
        select
            learner_id,
            skill_id,
            updated_at,
            case when mastery_level between 0 and 1 then mastery_level end as level
        from learner_skill_states
        where updated_at < :'day'::timestamptz + interval '1 day'
    ),

    practice as (
        select
            learner_id,
            (sum(duration_ms) / 60000)::integer as minutes
        from sessions
        where
            started_at >= :'day'::timestamptz
            and started_at < :'day'::timestamptz + interval '1 day'
            and session_type in ('LEARNING', 'PRACTICE')
        group by learner_id
    ),

    progress as (
        select
            states.learner_id,
            skills.subject,
            count(*)::integer as total_skills,
            (count(*) filter (where states.level >= 0.8))::integer as mastered_skills,
            (count(*) filter (where states.level > 0 and states.level < 0.8))::integer as in_progress_skills,
            (count(*) filter (where states.level = 0 or states.level is null))::integer as not_started_skills,
            coalesce(avg(states.level), 0) as average_mastery,
            (count(*) filter (where states.level >= 0.8 and states.updated_at >= :'day'::timestamptz))::integer
                as skills_gained_today
        from states
        inner join skills on states.skill_id = skills.id
        group by states.learner_id, skills.subject
    )

    select
        progress.learner_id,
        progress.subject::text,
        progress.total_skills,
        progress.mastered_skills,
        progress.in_progress_skills,
        progress.not_started_skills,
        progress.average_mastery,
        progress.skills_gained_today,
        coalesce(practice.minutes, 0)
    from progress
    left join practice on progress.learner_id = practice.learner_id
) to stdout (format binary); -- noqa: PRS
