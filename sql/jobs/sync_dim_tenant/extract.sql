-- Source: tenants, whole. One row per tenant, deleted ones included.
select
    id::uuid as tenant_id,
    name::text as tenant_name,
    type::text as tenant_type,
    district_id::uuid as district_id,
    state::text as state,
    country::text as country,
    timezone::text as timezone,
    is_active::boolean as is_active,
    created_at::timestamptz as created_at,
    updated_at::timestamptz as updated_at,
    deleted_at::timestamptz as deleted_at
from tenants
