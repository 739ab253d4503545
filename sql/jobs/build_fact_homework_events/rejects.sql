-- The fields that can't be read. One row per field and submission.
select
    'homework_submissions' as source_table,
    submission_id::text as source_id,
    'updated_at' as field,
    'infinite' as reason,
    jsonb_build_object('status', status, 'updated_at', updated_at) as payload
from stage
where
    status = 'COMPLETED'
    and not isfinite(updated_at)
