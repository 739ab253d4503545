-- Each check returns the rows that break its promise. failing: the sync is rolled back; warning: it is logged.
-- A tenant that changes while users are synced is caught up with by the next sync: a warning.

-- failing: no_user_deleted_in_the_source_is_active
select dim_user.user_id
from dim_user
inner join stage on dim_user.user_id = stage.user_id
where
    stage.deleted_at is not null
    and dim_user.is_active;

-- warning: a_user_points_at_the_last_version_of_its_tenant
select dim_user.user_id
from dim_user
where
    dim_user.tenant_key = any(
        array(
            select earlier.tenant_key
            from dim_tenant as earlier
            inner join dim_tenant_latest on earlier.tenant_id = dim_tenant_latest.tenant_id
            where earlier.tenant_key <> dim_tenant_latest.tenant_key
        )
    );

-- failing: every_user_of_the_source_is_there_once
select stage.user_id
from stage
left join dim_user on stage.user_id = dim_user.user_id
group by stage.user_id
having count(dim_user.user_id) <> 1;

-- failing: every_user_has_its_tenant
select dim_user.user_id
from dim_user
left join dim_tenant on dim_user.tenant_key = dim_tenant.tenant_key
where
    dim_user.user_id in (select id from scd1_change)
    and dim_tenant.tenant_id is distinct from dim_user.tenant_id;
