-- Source: tenants changed since a moment, and those that don't say when they changed; since -infinity: all.
-- One row per tenant, deleted ones included. An infinite deleted_at can't be read and is none: the tenant is there;
-- deleted_at_given shows it to rejects.sql. Variables: changed_since.
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
    (case when isfinite(deleted_at) then deleted_at end)::timestamptz as deleted_at,
    deleted_at::timestamptz as deleted_at_given
from tenants
where
    :'changed_since'::timestamptz = '-infinity'
    or updated_at >= :'changed_since'::timestamptz
    or updated_at = '-infinity'
    or updated_at is null
