-- What the view said about the histories of alarms.sql: a row per kind and job, per kind (job_name NULL), per job (kind
-- NULL), and one for all. Faults of learning progress stand in its own rows alone: it hardly varies, and would flatter.
-- judged: the view has an expectation for the day; for a fault of all jobs: had it without the fault, for the fault
-- itself can take it away. early: before the first such day.
with clean as (
    select
        kind,
        bench_judged.*,
        is_ordinary,
        n < min(n) filter (where is_judged) over (partition by bench_judged.job_name, bench_rows.history) as is_early
    from bench_judged
    inner join bench_rows on bench_judged.job_name = bench_rows.job_name and bench_judged.day = bench_rows.day
    inner join bench_ordinary on bench_rows.history = bench_ordinary.history and bench_rows.day = bench_ordinary.day
    inner join bench_history on bench_rows.history = bench_history.history
    where pass = 0
),

outcomes as (
    select
        clean.kind,
        clean.job_name,
        clean.is_ordinary,
        factor,
        is_all,
        case when is_all then clean.is_judged else faulty.is_judged end as is_judged,
        faulty.is_unusual as is_caught
    from clean
    inner join bench_faults on clean.job_name = bench_faults.job_name and clean.day = bench_faults.day
    inner join bench_judged as faulty
        on
            bench_faults.pass = faulty.pass
            and bench_faults.job_name = faulty.job_name
            and bench_faults.day = faulty.day
),

alarms as (
    select
        kind,
        shown.job_name,
        count(*) as job_days,
        count(*) filter (where is_early) as early_days,
        count(*) filter (where is_judged) as judged_days,
        count(*) filter (where is_unusual) as false_alarms
    from clean
    cross join lateral unnest(array[clean.job_name, null]) as shown (job_name)
    group by grouping sets ((kind, shown.job_name), (shown.job_name))
),

faults as (
    select
        kind,
        shown.job_name,
        count(*) filter (where not is_all and factor < 1) as one_halved_any_day,
        count(*) filter (where not is_all and factor < 1 and is_caught) as one_halved_any_day_caught,
        count(*) filter (where not is_all and factor < 1 and is_judged) as one_halved,
        count(*) filter (where not is_all and factor < 1 and is_judged and is_caught) as one_halved_caught,
        count(*) filter (where is_all and factor < 1 and is_judged) as all_halved,
        count(*) filter (where is_all and factor < 1 and is_judged and is_caught) as all_halved_caught,
        count(*) filter (where is_all and factor < 1 and is_judged and is_ordinary) as all_halved_ordinary,
        count(*) filter (where is_all and factor < 1 and is_judged and is_ordinary and is_caught)
            as all_halved_ordinary_caught,
        count(*) filter (where not is_all and factor > 1 and is_judged) as one_doubled,
        count(*) filter (where not is_all and factor > 1 and is_judged and is_caught) as one_doubled_caught,
        count(*) filter (where is_all and factor > 1 and is_judged) as all_doubled,
        count(*) filter (where is_all and factor > 1 and is_judged and is_caught) as all_doubled_caught
    from outcomes
    cross join
        lateral
        unnest(
            case outcomes.job_name
                when 'build_fact_learning_progress' then array[outcomes.job_name] else array[outcomes.job_name, null]
            end
        ) as shown (job_name)
    group by grouping sets ((kind, shown.job_name), (shown.job_name))
)

select
    alarms.*,
    one_halved_any_day,
    one_halved_any_day_caught,
    one_halved,
    one_halved_caught,
    all_halved,
    all_halved_caught,
    all_halved_ordinary,
    all_halved_ordinary_caught,
    one_doubled,
    one_doubled_caught,
    all_doubled,
    all_doubled_caught
from alarms
inner join faults
    on
        alarms.kind is not distinct from faults.kind
        and alarms.job_name is not distinct from faults.job_name
order by alarms.kind nulls last, alarms.job_name nulls last
