-- What the view said about the histories of alarms.sql: a row per kind and job, per kind (job_name NULL), per job (kind
-- NULL), and one for all. Learning progress stands in its own rows alone: it hardly varies, and would flatter.
-- judged: the alarm says that it judges the day; for a fault: says so of the day without the fault.
-- false alarms: unjudged ones are those on days that it does not judge. early: before the first day that it judges.
-- ceiling: the share of halvings that could at best be caught (alarms_ceilings.sql), over all job-days.
with clean as (
    select
        kind,
        bench_judged.*,
        is_ordinary,
        one,
        together,
        n < min(n) filter (where is_judged) over (partition by bench_judged.job_name, bench_rows.history) as is_early
    from bench_judged
    inner join bench_rows on bench_judged.job_name = bench_rows.job_name and bench_judged.day = bench_rows.day
    inner join bench_ordinary on bench_rows.history = bench_ordinary.history and bench_rows.day = bench_ordinary.day
    inner join bench_history on bench_rows.history = bench_history.history
    left join bench_ceilings
        on bench_judged.job_name = bench_ceilings.job_name and bench_judged.day = bench_ceilings.day
    where pass = 0
),

outcomes as (
    select
        clean.kind,
        clean.job_name,
        clean.is_ordinary,
        factor,
        is_all,
        clean.is_judged,
        faulty.is_unusual as is_caught
    from clean
    inner join bench_faults on clean.job_name = bench_faults.job_name and clean.day = bench_faults.day
    inner join bench_judged as faulty
        on
            bench_faults.pass = faulty.pass
            and bench_faults.job_name = faulty.job_name
            and bench_faults.day = faulty.day
),

shown as (
    select
        job_name,
        unnest(case job_name when 'build_fact_learning_progress' then array[job_name] else array[job_name, null] end)
            as shown_as
    from (select distinct job_name from bench_rows) as names
),

alarms as (
    select
        kind,
        shown_as as job_name,
        count(*) as job_days,
        count(*) filter (where is_early) as early_days,
        count(*) filter (where is_judged) as judged_days,
        count(*) filter (where one > 0.95) as judgeable_days,
        count(*) filter (where is_unusual and is_judged) as false_alarms,
        count(*) filter (where is_unusual and not is_judged) as unjudged_alarms,
        round(avg(one)::numeric, 4)::float8 as one_halved_ceiling,
        round(avg(together)::numeric, 4)::float8 as all_halved_ceiling
    from clean
    inner join shown on clean.job_name = shown.job_name
    group by grouping sets ((kind, shown_as), (shown_as))
),

faults as (
    select
        kind,
        shown_as as job_name,
        count(*) filter (where not is_all and factor < 1) as one_halved_any_day,
        count(*) filter (where not is_all and factor < 1 and is_caught) as one_halved_any_day_caught,
        count(*) filter (where not is_all and factor < 1 and is_judged) as one_halved,
        count(*) filter (where not is_all and factor < 1 and is_judged and is_caught) as one_halved_caught,
        count(*) filter (where is_all and factor < 1) as all_halved_any_day,
        count(*) filter (where is_all and factor < 1 and is_caught) as all_halved_any_day_caught,
        count(*) filter (where is_all and factor < 1 and is_judged) as all_halved,
        count(*) filter (where is_all and factor < 1 and is_judged and is_caught) as all_halved_caught,
        count(*) filter (where is_all and factor < 1 and is_judged and is_ordinary) as all_halved_ordinary,
        count(*) filter (where is_all and factor < 1 and is_judged and is_ordinary and is_caught)
            as all_halved_ordinary_caught,
        count(*) filter (where not is_all and factor > 1 and is_judged) as one_doubled,
        count(*) filter (where not is_all and factor > 1 and is_judged and is_caught) as one_doubled_caught
    from outcomes
    inner join shown on outcomes.job_name = shown.job_name
    group by grouping sets ((kind, shown_as), (shown_as))
)

select
    alarms.*,
    one_halved_any_day,
    one_halved_any_day_caught,
    one_halved,
    one_halved_caught,
    all_halved_any_day,
    all_halved_any_day_caught,
    all_halved,
    all_halved_caught,
    all_halved_ordinary,
    all_halved_ordinary_caught,
    one_doubled,
    one_doubled_caught
from alarms
inner join faults
    on
        alarms.kind is not distinct from faults.kind
        and alarms.job_name is not distinct from faults.job_name
order by alarms.kind nulls last, alarms.job_name nulls last
