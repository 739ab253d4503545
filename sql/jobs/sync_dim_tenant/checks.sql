-- Each check returns the rows that break its promise. failing: the sync is rolled back; warning: it is logged.
-- Of scd2_change, what this sync did: a first version has no other that it could overlap, or be current beside.

-- failing: no_tenant_has_two_current_versions
select tenant_id
from dim_tenant
where
    is_current
    and tenant_id in (select incoming_key from scd2_change where what <> 'first')
group by tenant_id
having count(*) > 1;

-- failing: every_live_tenant_has_a_current_version
select stage.tenant_id
from stage
left join dim_tenant
    on
        stage.tenant_id = dim_tenant.tenant_id
        and dim_tenant.is_current
where (stage.deleted_at is null) <> (dim_tenant.tenant_id is not null);

-- failing: versions_do_not_overlap
select
    earlier.tenant_id,
    earlier.tenant_key
from dim_tenant as earlier
inner join dim_tenant as later
    on
        earlier.tenant_id = later.tenant_id
        and earlier.tenant_key <> later.tenant_key
        and earlier.effective_from <= later.effective_from
        and coalesce(earlier.effective_to, 'infinity') > later.effective_from
        and later.effective_from is distinct from later.effective_to
where earlier.tenant_id in (select incoming_key from scd2_change where what <> 'first');
