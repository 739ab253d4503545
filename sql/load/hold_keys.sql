-- Keeps the members from going to which the rows of the day refer, until these are committed: a foreign key does the
-- same, row by row. After the rows are written: those that went before this are found missing by the checks.
-- Reads learner_version and tenant_version.
select
    (
        select count(*)
        from (
            select from dim_learner
            where learner_key in (select learner_version.learner_key from learner_version)
            for key share
        ) as held
    ) as learners,
    (
        select count(*)
        from (
            select from dim_tenant
            where tenant_key in (select tenant_version.tenant_key from tenant_version)
            for key share
        ) as held
    ) as tenants,
    (select count(*) from (select from dim_subject for key share) as held) as subjects,
    (select count(*) from (select from dim_skill for key share) as held) as skills
