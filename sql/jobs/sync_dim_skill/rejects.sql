-- The fields that can't be read: times that are infinite. One row per field and skill.
select
    'skills' as source_table,
    skill_id::text as source_id,
    unreadable.field,
    'infinite' as reason,
    jsonb_build_object(unreadable.field, unreadable.given) as payload
from stage
cross join
    lateral (
        values
        ('deleted_at', deleted_at_given)
    ) as unreadable (field, given)
where not isfinite(unreadable.given)
