-- Upsert; what is gone is inactive.
begin;

create temporary table stage (
    skill_id uuid,
    subject_code text,
    skill_code text,
    skill_name text,
    description text,
    grade_band text,
    parent_skill_id uuid,
    depth integer,
    is_active boolean
) on commit drop;
\copy stage from pstdin (format binary)

insert into dim_skill as known (
    skill_id, subject_key, skill_code, skill_name, description, grade_band, parent_skill_id, depth, is_active
)
select
    stage.skill_id,
    dim_subject.subject_key,
    stage.skill_code,
    stage.skill_name,
    stage.description,
    stage.grade_band,
    stage.parent_skill_id,
    stage.depth,
    stage.is_active
from stage
inner join dim_subject on stage.subject_code = dim_subject.subject_code
on conflict (skill_id) do update
    set
        subject_key = excluded.subject_key,
        skill_code = excluded.skill_code,
        skill_name = excluded.skill_name,
        description = excluded.description,
        grade_band = excluded.grade_band,
        parent_skill_id = excluded.parent_skill_id,
        depth = excluded.depth,
        is_active = excluded.is_active
    where
    row(
        known.subject_key, known.skill_code, known.skill_name, known.description, known.grade_band,
        known.parent_skill_id, known.depth, known.is_active
    ) is distinct from row(
        excluded.subject_key, excluded.skill_code, excluded.skill_name, excluded.description, excluded.grade_band,
        excluded.parent_skill_id, excluded.depth, excluded.is_active
    );

update dim_skill
set is_active = false
where is_active and not exists (select from stage where stage.skill_id = dim_skill.skill_id);

commit;
