-- Points the rows that follow their tenant at its last version, in place. Starts from the versions that are not the
-- last one: as an array, so that the planner looks their rows up and doesn't read the whole dimension.
-- Variables: dimension, follows (condition).
update :"dimension" as dimension
set tenant_key = dim_tenant_latest.tenant_key
from dim_tenant_latest
where
    dimension.tenant_id = dim_tenant_latest.tenant_id
    and dimension.tenant_key = any(
        array(
            select earlier.tenant_key
            from dim_tenant as earlier
            inner join dim_tenant_latest as latest on earlier.tenant_id = latest.tenant_id
            where earlier.tenant_key <> latest.tenant_key
        )
    )
    and :follows
