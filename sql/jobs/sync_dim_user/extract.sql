-- Source: users, whole. One row per user, deleted ones included.
select
    id::uuid as user_id,
    tenant_id::uuid as tenant_id,
    role::text as role,
    is_active::boolean as is_active,
    created_at::timestamptz as created_at,
    deleted_at::timestamptz as deleted_at
from users
