-- Upsert; who is gone is inactive.
begin;

create temporary table stage (
    user_id uuid,
    tenant_id uuid,
    role text,
    is_active boolean,
    created_at timestamptz
) on commit drop;
\copy stage from pstdin (format binary)

insert into dim_user as known (user_id, tenant_id, tenant_key, role, is_active, created_at)
select
    stage.user_id,
    stage.tenant_id,
    dim_tenant.tenant_key,
    stage.role,
    stage.is_active,
    stage.created_at
from stage
inner join dim_tenant on stage.tenant_id = dim_tenant.tenant_id and dim_tenant.is_current
on conflict (user_id) do update
    set
        tenant_id = excluded.tenant_id,
        tenant_key = excluded.tenant_key,
        role = excluded.role,
        is_active = excluded.is_active,
        created_at = excluded.created_at
    where
    row(known.tenant_id, known.tenant_key, known.role, known.is_active, known.created_at)
    is distinct from row(
        excluded.tenant_id, excluded.tenant_key, excluded.role, excluded.is_active, excluded.created_at
    );

update dim_user
set is_active = false
where is_active and not exists (select from stage where stage.user_id = dim_user.user_id);

commit;
