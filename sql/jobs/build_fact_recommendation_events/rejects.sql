-- The fields that can't be read. One row per field and recommendation.
select
    'recommendations' as source_table,
    recommendation_id::text as source_id,
    'responded_at' as field,
    case
        when not isfinite(responded_at) then 'infinite'
        when responded_at < created_at then 'before it was created'
        else 'no response time that an integer holds'
    end as reason,
    jsonb_build_object('created_at', created_at, 'responded_at', responded_at) as payload
from stage
where
    not isfinite(responded_at)
    or responded_at < created_at
    or responded_at >= created_at + interval '2147483648 seconds'
