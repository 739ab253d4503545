-- Inferred members for the skills that the staged rows name and dim_skill has never seen, under the subject UNKNOWN.
insert into dim_subject (subject_code, subject_name, is_inferred)
values ('UNKNOWN', 'UNKNOWN', true)
on conflict (subject_code) do nothing;

insert into dim_skill (skill_id, subject_key, skill_code, skill_name, depth, is_active, is_inferred)
select distinct
    stage.skill_id,
    (select subject_key from dim_subject where subject_code = 'UNKNOWN'),
    'UNKNOWN',
    'UNKNOWN',
    0,
    true,
    true
from stage
where
    stage.skill_id is not null
    and not exists (select from dim_skill where dim_skill.skill_id = stage.skill_id)
order by stage.skill_id
on conflict (skill_id) do nothing
