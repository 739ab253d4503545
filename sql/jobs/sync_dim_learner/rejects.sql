-- The fields that can't be read: times that are infinite. One row per field and learner.
select
    'learners' as source_table,
    learner_id::text as source_id,
    unreadable.field,
    'infinite' as reason,
    jsonb_build_object(unreadable.field, unreadable.given) as payload
from stage
cross join
    lateral (
        values
        ('created_at', created_at),
        ('updated_at', updated_at),
        ('deleted_at', deleted_at_given)
    ) as unreadable (field, given)
where
    not (isfinite(created_at) and isfinite(updated_at) and isfinite(deleted_at_given))
    and not isfinite(unreadable.given)
