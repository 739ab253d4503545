-- Which version of a tenant or learner was in force when: the last one that began by then, else the first.
-- The spans of one id cover all time without overlap: joining on id and span finds exactly one version, by hash.
-- Learners first: whatever tenant a learner's version names is then there when the tenants are read.
-- Variables: concerned (the rows whose learners count).
create temporary table if not exists learner_version (
    learner_id uuid,
    learner_key bigint,
    tenant_id uuid,
    valid_from timestamptz,
    valid_to timestamptz
) on commit delete rows;

insert into learner_version (learner_id, learner_key, tenant_id, valid_from, valid_to)
select
    learner_id,
    learner_key,
    tenant_id,
    case
        when row_number() over history = 1 then timestamptz '-infinity'
        else effective_from
    end as valid_from,
    coalesce(lead(effective_from) over history, timestamptz 'infinity') as valid_to
from dim_learner
where learner_id in (select concerned.learner_id from :concerned as concerned)
window history as (partition by learner_id order by effective_from, learner_key);

-- What is counted out of the history of states is joined with it, and has no statistics that would do for both.
analyze learner_version;

create temporary table if not exists tenant_version (
    tenant_id uuid,
    tenant_key bigint,
    valid_from timestamptz,
    valid_to timestamptz
) on commit delete rows;

insert into tenant_version (tenant_id, tenant_key, valid_from, valid_to)
select
    tenant_id,
    tenant_key,
    case
        when row_number() over history = 1 then timestamptz '-infinity'
        else effective_from
    end as valid_from,
    coalesce(lead(effective_from) over history, timestamptz 'infinity') as valid_to
from dim_tenant
window history as (partition by tenant_id order by effective_from, tenant_key);
