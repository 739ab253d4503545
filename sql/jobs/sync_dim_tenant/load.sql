-- Grain: one row per tenant of the source, as dim_tenant should hold it now. Created when nobody knows: now.
-- Variables: clock.
select
    tenant_id,
    coalesce(tenant_name, 'UNKNOWN') as tenant_name,
    coalesce(tenant_type, 'SCHOOL') as tenant_type,
    district_id,
    state,
    coalesce(country, 'US') as country,
    coalesce(timezone, 'America/New_York') as timezone,
    coalesce(is_active, true) as is_active,
    case when isfinite(created_at) then created_at else :'clock'::timestamptz end as created_at,
    updated_at,
    deleted_at
from stage
