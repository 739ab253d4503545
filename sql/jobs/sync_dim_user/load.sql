-- Grain: one row per user of the source, as dim_user should hold it now. Created when nobody knows: now.
-- Variables: clock.
select
    stage.user_id,
    stage.tenant_id,
    dim_tenant_latest.tenant_key,
    coalesce(stage.role, 'UNKNOWN') as role,
    coalesce(stage.is_active, true) and stage.deleted_at is null as is_active,
    case when isfinite(stage.created_at) then stage.created_at else :'clock'::timestamptz end as created_at,
    stage.deleted_at is not null as is_deleted
from stage
inner join dim_tenant_latest on stage.tenant_id = dim_tenant_latest.tenant_id
