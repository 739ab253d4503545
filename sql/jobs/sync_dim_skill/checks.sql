-- Each check returns the rows that break its promise. failing: the sync is rolled back; warning: it is logged.

-- failing: no_skill_deleted_in_the_source_is_active
select dim_skill.skill_id
from dim_skill
inner join stage on dim_skill.skill_id = stage.skill_id
where
    stage.deleted_at is not null
    and dim_skill.is_active;

-- warning: every_parent_skill_is_known
select child.skill_id
from dim_skill as child
where
    child.is_active
    and child.parent_skill_id is not null
    and not exists (
        select
        from dim_skill as parent
        where parent.skill_id = child.parent_skill_id
    );

-- failing: every_skill_of_the_source_is_there_once
select stage.skill_id
from stage
left join dim_skill on stage.skill_id = dim_skill.skill_id
group by stage.skill_id
having count(dim_skill.skill_id) <> 1;

-- failing: every_skill_has_its_subject
select dim_skill.skill_id
from dim_skill
inner join stage on dim_skill.skill_id = stage.skill_id
left join dim_subject on dim_skill.subject_key = dim_subject.subject_key
where dim_subject.subject_code is distinct from stage.subject_code;
