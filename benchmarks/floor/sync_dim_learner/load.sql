-- SCD 2: what changed ends its version and begins the next; what is deleted or gone ends.
begin;

create temporary table stage (
    learner_id uuid,
    tenant_id uuid,
    grade_band text,
    grade_level integer,
    is_active boolean,
    created_at timestamptz,
    updated_at timestamptz,
    deleted_at timestamptz
) on commit drop;
\copy stage from pstdin (format binary)

create temporary table change on commit drop as
select
    stage.*,
    dim_learner.learner_key
from stage
left join dim_learner on stage.learner_id = dim_learner.learner_id and dim_learner.is_current
where
    dim_learner.learner_key is null
    or stage.deleted_at is not null
    or row(stage.tenant_id, stage.grade_band, stage.grade_level, stage.is_active)
    is distinct from row(dim_learner.tenant_id, dim_learner.grade_band, dim_learner.grade_level, dim_learner.is_active);

update dim_learner
set
    effective_to = coalesce(change.deleted_at, change.updated_at),
    is_current = false
from change
where dim_learner.learner_key = change.learner_key;

update dim_learner
set
    effective_to = now(),
    is_current = false
where is_current and not exists (select from stage where stage.learner_id = dim_learner.learner_id);

insert into dim_learner (
    learner_id, tenant_id, tenant_key, grade_band, grade_level, is_active, created_at, effective_from, is_current
)
select
    change.learner_id,
    change.tenant_id,
    dim_tenant.tenant_key,
    change.grade_band,
    change.grade_level,
    change.is_active,
    change.created_at,
    case
        when exists (select from dim_learner where dim_learner.learner_id = change.learner_id) then change.updated_at
        else change.created_at
    end,
    true
from change
inner join dim_tenant on change.tenant_id = dim_tenant.tenant_id and dim_tenant.is_current
where change.deleted_at is null;

update dim_learner
set tenant_key = dim_tenant.tenant_key
from dim_tenant
where
    dim_learner.is_current
    and dim_tenant.is_current
    and dim_learner.tenant_id = dim_tenant.tenant_id
    and dim_learner.tenant_key <> dim_tenant.tenant_key;

commit;
