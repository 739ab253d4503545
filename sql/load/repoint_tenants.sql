-- Points the rows that follow their tenant at its last version, in place. Variables: dimension, follows (condition).
update :"dimension" as dimension
set tenant_key = dim_tenant_latest.tenant_key
from dim_tenant_latest
where
    dimension.tenant_id = dim_tenant_latest.tenant_id
    and dimension.tenant_key <> dim_tenant_latest.tenant_key
    and :follows
