-- Grain: one row per learner of the source, as dim_learner should hold it now. Created when nobody knows: now.
-- Variables: clock.
select
    stage.learner_id,
    stage.tenant_id,
    dim_tenant_latest.tenant_key,
    coalesce(stage.grade_band, 'UNKNOWN') as grade_band,
    stage.grade_level,
    coalesce(stage.is_active, true) as is_active,
    case when isfinite(stage.created_at) then stage.created_at else :'clock'::timestamptz end as created_at,
    stage.updated_at,
    stage.deleted_at
from stage
inner join dim_tenant_latest on stage.tenant_id = dim_tenant_latest.tenant_id
