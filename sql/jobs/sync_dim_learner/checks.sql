-- Each check returns the rows that break its promise. failing: the sync is rolled back; warning: it is logged.
-- Of scd2_change, what this sync did: a first version has no other that it could overlap, or be current beside.
-- A tenant that changes while learners are synced is caught up with by the next sync: a warning.

-- failing: no_learner_has_two_current_versions
select learner_id
from dim_learner
where
    is_current
    and learner_id in (select incoming_key from scd2_change where what <> 'first')
group by learner_id
having count(*) > 1;

-- failing: every_live_learner_has_a_current_version
select stage.learner_id
from stage
left join dim_learner
    on
        stage.learner_id = dim_learner.learner_id
        and dim_learner.is_current
where (stage.deleted_at is null) <> (dim_learner.learner_id is not null);

-- failing: versions_do_not_overlap
select
    earlier.learner_id,
    earlier.learner_key
from dim_learner as earlier
inner join dim_learner as later
    on
        earlier.learner_id = later.learner_id
        and earlier.learner_key <> later.learner_key
        and earlier.effective_from <= later.effective_from
        and coalesce(earlier.effective_to, 'infinity') > later.effective_from
        and later.effective_from is distinct from later.effective_to
where earlier.learner_id in (select incoming_key from scd2_change where what <> 'first');

-- warning: a_current_learner_points_at_the_last_version_of_its_tenant
select dim_learner.learner_id
from dim_learner
where
    dim_learner.tenant_key = any(
        array(
            select earlier.tenant_key
            from dim_tenant as earlier
            inner join dim_tenant_latest on earlier.tenant_id = dim_tenant_latest.tenant_id
            where earlier.tenant_key <> dim_tenant_latest.tenant_key
        )
    )
    and dim_learner.is_current;

-- failing: every_learner_has_its_tenant
select dim_learner.learner_id
from dim_learner
left join dim_tenant on dim_learner.tenant_key = dim_tenant.tenant_key
where
    dim_learner.learner_id in (select incoming_key from scd2_change)
    and dim_tenant.tenant_id is distinct from dim_learner.tenant_id;
