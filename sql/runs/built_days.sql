-- Which days of which facts were ever built, newest first. A day whose month has no partition (any more) is left out:
-- retention has let it go. Variables: jobs (build_<fact>, as an array's text), first_day, last_day.
select distinct
    job_name,
    target_date
from etl_job_runs
where
    status = 'SUCCESS'
    and job_name = any(:'jobs'::text[])
    and target_date between :'first_day'::date and :'last_day'::date
    and exists (
        select
        from pg_inherits
        inner join pg_class on pg_inherits.inhrelid = pg_class.oid
        where
            pg_inherits.inhparent = to_regclass(substr(job_name, length('build_') + 1))
            and pg_class.relname = substr(job_name, length('build_') + 1) || to_char(target_date, '"_"YYYY"_"MM')
    )
order by target_date desc, job_name asc
