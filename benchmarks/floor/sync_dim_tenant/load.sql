-- SCD 2: what changed ends its version and begins the next; what is deleted or gone ends.
begin;

create temporary table stage (
    tenant_id uuid,
    tenant_name text,
    tenant_type text,
    district_id uuid,
    state text,
    country text,
    timezone text,
    is_active boolean,
    created_at timestamptz,
    updated_at timestamptz,
    deleted_at timestamptz
) on commit drop;
\copy stage from pstdin (format binary)

create temporary table change on commit drop as
select
    stage.*,
    dim_tenant.tenant_key
from stage
left join dim_tenant on stage.tenant_id = dim_tenant.tenant_id and dim_tenant.is_current
where
    dim_tenant.tenant_key is null
    or stage.deleted_at is not null
    or row(
        stage.tenant_name, stage.tenant_type, stage.district_id, stage.state, stage.country, stage.timezone,
        stage.is_active
    ) is distinct from row(
        dim_tenant.tenant_name, dim_tenant.tenant_type, dim_tenant.district_id, dim_tenant.state, dim_tenant.country,
        dim_tenant.timezone, dim_tenant.is_active
    );

update dim_tenant
set
    effective_to = coalesce(change.deleted_at, change.updated_at),
    is_current = false
from change
where dim_tenant.tenant_key = change.tenant_key;

update dim_tenant
set
    effective_to = now(),
    is_current = false
where is_current and not exists (select from stage where stage.tenant_id = dim_tenant.tenant_id);

insert into dim_tenant (
    tenant_id, tenant_name, tenant_type, district_id, state, country, timezone, is_active, created_at, effective_from,
    is_current
)
select
    tenant_id,
    tenant_name,
    tenant_type,
    district_id,
    state,
    country,
    timezone,
    is_active,
    created_at,
    case
        when exists (select from dim_tenant where dim_tenant.tenant_id = change.tenant_id) then updated_at
        else created_at
    end,
    true
from change
where deleted_at is null;

commit;
