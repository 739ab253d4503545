-- Grain: one row per skill of the source, as dim_skill should hold it now.
select
    stage.skill_id,
    dim_subject.subject_key,
    coalesce(stage.skill_code, 'UNKNOWN') as skill_code,
    coalesce(stage.skill_name, 'UNKNOWN') as skill_name,
    stage.description,
    stage.grade_band,
    stage.parent_skill_id,
    coalesce(stage.depth, 0) as depth,
    stage.deleted_at is null as is_active,
    stage.deleted_at is not null as is_deleted
from stage
inner join dim_subject on stage.subject_code = dim_subject.subject_code
