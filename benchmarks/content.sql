-- What a warehouse holds: rows and a checksum per table, whatever their order; surrogate keys give way to the ids that
-- they stand for. Equal content, equal answer.
with tenant_name as (
    select
        tenant_key,
        tenant_id::text || ' ' || effective_from as tenant
    from dim_tenant
),

learner_name as (
    select
        learner_key,
        learner_id::text || ' ' || effective_from as learner
    from dim_learner
),

content as (
    select
        'dim_tenant' as table_name,
        row(
            tenant_id, tenant_name, tenant_type, district_id, state, country, timezone, is_active, created_at,
            effective_from, effective_to, is_current, is_inferred
        )::text as content
    from dim_tenant
    union all
    select
        'dim_learner',
        row(
            learner_id, tenant_id, tenant, grade_band, grade_level, is_active, created_at, effective_from, effective_to,
            is_current, is_inferred
        )::text
    from dim_learner
    inner join tenant_name on dim_learner.tenant_key = tenant_name.tenant_key
    union all
    select
        'dim_user',
        row(user_id, tenant_id, tenant, role, is_active, created_at, is_inferred)::text
    from dim_user
    inner join tenant_name on dim_user.tenant_key = tenant_name.tenant_key
    union all
    select
        'dim_subject',
        row(subject_code, subject_name, description, is_inferred)::text
    from dim_subject
    union all
    select
        'dim_skill',
        row(
            skill_id, subject_code, skill_code, skill_name, dim_skill.description, grade_band, parent_skill_id, depth,
            is_active, dim_skill.is_inferred
        )::text
    from dim_skill
    inner join dim_subject on dim_skill.subject_key = dim_subject.subject_key
    union all
    select
        'fact_sessions',
        row(
            date_key, session_id, tenant, learner, session_type, origin, duration_seconds, activities_assigned,
            activities_completed, activities_skipped, correct_responses, incorrect_responses, hints_used,
            focus_breaks_count, focus_interventions_count, started_at, ended_at
        )::text
    from fact_sessions
    inner join tenant_name on fact_sessions.tenant_key = tenant_name.tenant_key
    inner join learner_name on fact_sessions.learner_key = learner_name.learner_key
    union all
    select
        'fact_focus_events',
        row(
            fact.date_key, event_id, tenant, learner, fact.session_id, session_date_key, fact_sessions.session_id,
            event_type, event_time, fact.duration_seconds, intervention_type, intervention_completed,
            trim_scale(focus_score)
        )::text
    from fact_focus_events as fact
    inner join tenant_name on fact.tenant_key = tenant_name.tenant_key
    inner join learner_name on fact.learner_key = learner_name.learner_key
    left join fact_sessions
        on fact.session_key = fact_sessions.session_key and fact.session_date_key = fact_sessions.date_key
    union all
    select
        'fact_homework_events',
        row(
            fact.date_key, submission_id, tenant, learner, fact.session_id, session_date_key, fact_sessions.session_id,
            subject, grade_band, step_count, steps_completed, hints_revealed, fact.correct_responses, total_responses,
            trim_scale(completion_rate), submitted_at, completed_at
        )::text
    from fact_homework_events as fact
    inner join tenant_name on fact.tenant_key = tenant_name.tenant_key
    inner join learner_name on fact.learner_key = learner_name.learner_key
    left join fact_sessions
        on fact.session_key = fact_sessions.session_key and fact.session_date_key = fact_sessions.date_key
    union all
    select
        'fact_learning_progress',
        row(
            date_key, tenant, learner, subject_code, total_skills, mastered_skills, in_progress_skills,
            not_started_skills, trim_scale(average_mastery), skills_gained_today, practice_minutes_today, is_exact,
            snapshot_at
        )::text
    from fact_learning_progress
    inner join tenant_name on fact_learning_progress.tenant_key = tenant_name.tenant_key
    inner join learner_name on fact_learning_progress.learner_key = learner_name.learner_key
    inner join dim_subject on fact_learning_progress.subject_key = dim_subject.subject_key
    union all
    select
        'fact_recommendation_events',
        row(
            date_key, recommendation_id, tenant, learner, skill_id, recommendation_type, source, was_accepted,
            was_declined, response_time_seconds, created_at, responded_at
        )::text
    from fact_recommendation_events
    inner join tenant_name on fact_recommendation_events.tenant_key = tenant_name.tenant_key
    inner join learner_name on fact_recommendation_events.learner_key = learner_name.learner_key
    left join dim_skill on fact_recommendation_events.skill_key = dim_skill.skill_key
)

select
    table_name,
    count(*) as number,
    sum(hashtextextended(content, 0)::numeric)::text as checksum
from content
group by table_name
order by table_name;
