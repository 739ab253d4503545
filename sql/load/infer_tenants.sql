-- Inferred members for the tenants that the staged rows name and dim_tenant has never seen.
insert into dim_tenant (
    tenant_id, tenant_name, tenant_type, country, timezone, is_active,
    created_at, effective_from, is_current, is_inferred
)
select distinct
    stage.tenant_id,
    'UNKNOWN',
    'UNKNOWN',
    'UNKNOWN',
    'UNKNOWN',
    true,
    timestamptz 'epoch',
    timestamptz 'epoch',
    true,
    true
from stage
where not exists (select from dim_tenant where dim_tenant.tenant_id = stage.tenant_id)
order by stage.tenant_id
on conflict (tenant_id) where is_current do nothing
