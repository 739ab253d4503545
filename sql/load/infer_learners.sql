-- Inferred members for the learners that the staged rows name and dim_learner has never seen; their tenant is the
-- fact's.
insert into dim_learner (
    learner_id, tenant_id, tenant_key, grade_band, is_active, created_at, effective_from, is_current, is_inferred
)
select distinct on (stage.learner_id)
    stage.learner_id,
    stage.tenant_id,
    dim_tenant_latest.tenant_key,
    'UNKNOWN',
    true,
    timestamptz 'epoch',
    timestamptz 'epoch',
    true,
    true
from stage
inner join dim_tenant_latest on stage.tenant_id = dim_tenant_latest.tenant_id
where not exists (select from dim_learner where dim_learner.learner_id = stage.learner_id)
order by stage.learner_id, stage.tenant_id
on conflict (learner_id) where is_current do nothing
