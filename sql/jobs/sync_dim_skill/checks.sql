-- Each check returns the rows that break its promise. failing: the sync is rolled back; warning: it is logged.

-- failing: no_skill_deleted_in_the_source_is_active
select dim_skill.skill_id
from dim_skill
inner join loaded on dim_skill.skill_id = loaded.skill_id
where
    loaded.is_deleted
    and dim_skill.is_active;

-- warning: every_parent_skill_is_known
select child.skill_id
from dim_skill as child
where
    child.parent_skill_id is not null
    and not exists (
        select
        from dim_skill as parent
        where parent.skill_id = child.parent_skill_id
    );
