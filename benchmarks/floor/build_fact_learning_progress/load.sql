-- The day is deleted and inserted, out of the present states: no history is kept. Variables: day, date_key.
select etl_ensure_day('fact_learning_progress', :'day');

begin;

-- The planner thinks that few rows meet a version in force, and would look each one up.
set local enable_nestloop to off;

create temporary table stage (
    learner_id uuid,
    subject_code text,
    total_skills integer,
    mastered_skills integer,
    in_progress_skills integer,
    not_started_skills integer,
    average_mastery numeric,
    skills_gained_today integer,
    practice_minutes_today integer
) on commit drop;
\copy stage from pstdin (format binary)

delete from fact_learning_progress where date_key = :date_key;

insert into fact_learning_progress (
    date_key, tenant_key, learner_key, subject_key, total_skills, mastered_skills, in_progress_skills,
    not_started_skills, average_mastery, skills_gained_today, practice_minutes_today, snapshot_at
)
select
    :date_key,
    dim_tenant.tenant_key,
    dim_learner.learner_key,
    dim_subject.subject_key,
    stage.total_skills,
    stage.mastered_skills,
    stage.in_progress_skills,
    stage.not_started_skills,
    stage.average_mastery,
    stage.skills_gained_today,
    stage.practice_minutes_today,
    ends.snapshot_at
from stage
cross join (select :'day'::timestamptz + interval '1 day' - interval '1 microsecond' as snapshot_at) as ends
inner join dim_learner
    on
        stage.learner_id = dim_learner.learner_id
        and ends.snapshot_at >= dim_learner.effective_from
        and ends.snapshot_at < coalesce(dim_learner.effective_to, 'infinity')
inner join dim_tenant
    on
        dim_learner.tenant_id = dim_tenant.tenant_id
        and ends.snapshot_at >= dim_tenant.effective_from
        and ends.snapshot_at < coalesce(dim_tenant.effective_to, 'infinity')
inner join dim_subject on stage.subject_code = dim_subject.subject_code
-- Neighbours in two of the indexes, and in the rows that the foreign keys look up.
order by dim_learner.learner_key;

commit;
