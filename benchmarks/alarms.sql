-- Synthetic run rows for the benchmark `alarms`: up to three years of several kinds of platform, each made of schools
-- with a size, a region, a calendar, a first and a last day. Deterministic: chance is md5 of a seed and of what it is
-- for. The histories lie four years apart in one warehouse, so that none knows of another.
-- Variables: kinds (an array's text), histories (of each kind), days, seed.
set timezone to 'UTC';
set work_mem to '256MB';

create function pg_temp.uniform(what text) returns float8
language sql immutable
return (('x' || substr(md5(:'seed' || what), 1, 12))::bit(48)::bigint + 0.5) / 281474976710656.0;

create function pg_temp.normal(what text) returns float8
language sql immutable
return sqrt(-2 * ln(pg_temp.uniform(what))) * cos(2 * pi() * pg_temp.uniform('other ' || what));

-- Kinds of platform: sessions on a school day; schools at the start, and how many join and leave in a year; regions,
-- each with vacations of its own; the share of a school day's sessions that there is on weekends, and in vacations
-- (idle); the noise (standard deviation of the logarithm) that all facts share, and that each has for itself.
create table bench_history as
select
    row_number() over (order by kind, number) as history,
    kind || number as name,
    (make_date(1950, 8, 1) + (row_number() over (order by kind, number) - 1) * interval '4 years')::date as first_day,
    platforms.*
from
    (
        values
        ('large', 12000, 120, 12, 3, 8, 0.2, 0.1, 0.05, 0.05),
        ('district', 1500, 12, 1, 0, 1, 0.2, 0.1, 0.06, 0.06),
        ('small', 250, 3, 0, 0, 1, 0.15, 0.1, 0.08, 0.06),
        ('tiny', 12, 1, 0, 0, 1, 0.1, 0.1, 0.1, 0.1),
        ('growing', 600, 4, 4, 0, 3, 0.2, 0.1, 0.06, 0.06),
        ('shrinking', 2000, 10, 0, 2, 2, 0.2, 0.1, 0.06, 0.06),
        ('schooldays', 800, 6, 1, 0, 1, 0, 0.03, 0.06, 0.06),
        ('at home', 600, 1, 0, 0, 1, 0.9, 0.8, 0.08, 0.06)
    ) as platforms (kind, sessions, schools, joining, leaving, regions, weekend, idle, common, own)
cross join generate_series(1, :histories) as numbers (number)
where kind = any(:'kinds'::text[]);

create table bench_day as
select
    history,
    name,
    (first_day + n)::date as day,
    n,
    extract(isodow from first_day + n)::integer as weekday,
    to_char(first_day + n, 'MMDD')::integer as month_day,
    -- All facts together: drift of the fortnight, growth of a tenth a year; and noise of the day.
    exp(
        0.08 * (
            (1 - n % 14 / 14.0) * pg_temp.normal('drift ' || name || n / 14)
            + (n % 14 / 14.0) * pg_temp.normal('drift ' || name || (n / 14 + 1))
        )
        + 0.1 * n / 365
    ) as level,
    exp(common * pg_temp.normal('day ' || name || n)) as common_noise,
    -- Exams make a peak of a few days.
    to_char(first_day + n, 'MMDD')::integer = any(array[1209, 1210, 1211, 514, 515, 516, 517]) as is_exam
from bench_history
cross join generate_series(0, :days - 1) as numbers (n);

create table bench_school as
with schools as (
    select
        *,
        exp(0.5 * pg_temp.normal('size ' || name || school)) as weight
    from bench_history
    cross join generate_series(1, schools + 3 * (joining)) as numbers (school)
)

select
    history,
    name,
    school,
    school % regions as region,
    sessions * weight / sum(weight) filter (where school <= schools) over (partition by history) as size,
    -- Schools join between August and March, and leave in summer or at the turn of the year.
    case
        when school > schools
            then
                (school - schools - 1) / joining * 365
                + (20 + 200 * pg_temp.uniform('join ' || name || school))::integer
        else -1
    end as first_n,
    case
        when school <= 3 * leaving
            then (school - 1) / leaving * 365 + case when school % 2 = 0 then 330 else 153 end
        else 10000
    end as last_n
from schools;

-- What share of a usual school day a region has on a day. Idle: nobody has to learn.
create table bench_calendar as
with regions as (
    select
        bench_day.*,
        region,
        weekend,
        idle,
        weekday > 5 as is_weekend,
        -- Vacations: summer, autumn, winter, spring; each region a little later than the one before it.
        month_day between 612 + 2 * region and 631
        or month_day between 701 and 731
        or month_day between 801 and 812 + 2 * region as is_summer,
        month_day >= 1221 or month_day <= 102
        or (day + 0 - 7 * (region % 4)) between make_date(extract(year from day)::integer, 3, 20)
        and make_date(extract(year from day)::integer, 3, 28) as is_vacation,
        month_day in (704, 1111)
        or weekday = 1 and month_day between 901 and 907
        or weekday = 1 and month_day between 1008 and 1014
        or weekday = 1 and month_day between 115 and 121
        or weekday = 1 and month_day between 215 and 221
        or weekday = 1 and month_day between 525 and 531
        or weekday in (3, 4, 5) and to_char(day - weekday + 4, 'MMDD')::integer between 1122 and 1128 as is_holiday,
        -- Snow: a region's schools stay closed.
        month_day not between 316 and 1130
        and weekday < 6 and pg_temp.uniform('snow ' || bench_day.name || region || ' ' || n) < 0.012 as is_snow
    from bench_day
    inner join bench_history on bench_day.history = bench_history.history
    cross join generate_series(0, regions - 1) as numbers (region)
)

select
    *,
    is_summer or is_vacation or is_holiday or is_snow as is_idle,
    case
        when is_weekend
            then
                weekend * case weekday when 6 then 0.7 else 1.3 end
                * case when is_summer or is_vacation then greatest(0.5, idle) else 1 end
        when is_summer or is_vacation or is_holiday or is_snow
            then idle * exp(0.15 * pg_temp.normal('idle ' || name || region || ' ' || n))
        -- Fridays are short, and the first days of a school year slow.
        else
            case weekday when 5 then 0.85 else 1 end
            * case when month_day between 813 + 2 * region and 818 + 2 * region then 0.75 else 1 end
    end as share
from regions;

-- Rows of each fact per session, times this on Fridays, on weekends, and in exams; in vacations this power of idle.
create table bench_facts as
select *
from
    (
        values
        ('build_fact_sessions', 1, 1.0, 1.0, 1.4, 0),
        ('build_fact_focus_events', 2, 1.0, 1.0, 1.4, 0),
        ('build_fact_homework_events', 0.4, 0.7, 1.5, 0.8, 0.2),
        ('build_fact_recommendation_events', 0.3, 1.0, 1.0, 1.1, 0.05)
    ) as facts (job_name, per_session, friday, weekend, exam, idle);

-- What is certain of a day, its calendar and level, is kept apart from its noise: alarms_ceilings.sql is told of it.
create table bench_rows as
with wanted as (
    select
        bench_day.history,
        bench_day.day,
        bench_day.n,
        job_name,
        min(bench_day.common_noise) as common_noise,
        exp(min(own) * pg_temp.normal('own ' || job_name || bench_day.name || bench_day.n)) as own_noise,
        sum(
            size * share * per_session
            * case when bench_calendar.is_weekend then bench_facts.weekend else 1 end
            * case bench_day.weekday when 5 then friday else 1 end
            * case when is_idle then power(bench_calendar.idle, bench_facts.idle) else 1 end
            * case when bench_day.is_exam then bench_facts.exam else 1 end
        )
        * min(bench_day.level) as certain
    from bench_day
    inner join bench_calendar on bench_day.history = bench_calendar.history and bench_day.n = bench_calendar.n
    inner join bench_school
        on
            bench_calendar.history = bench_school.history
            and bench_calendar.region = bench_school.region
            and bench_day.n between first_n and last_n
    inner join bench_history on bench_day.history = bench_history.history
    cross join bench_facts
    group by bench_day.history, bench_day.day, bench_day.n, bench_day.name, job_name
)

-- Very nearly Poisson: the square root of such a number has the same spread whatever its mean.
select
    history,
    day,
    n,
    job_name,
    certain,
    common_noise,
    greatest(
        0,
        round(
            power(
                sqrt(certain * common_noise * own_noise) + pg_temp.normal('count ' || history || job_name || n) / 2, 2
            ) - 0.25
        )
    )::bigint as rows_counted
from wanted
union all
-- Learners by subjects: a school brings its own, and each day a few learners begin a subject. They stay.
select
    bench_day.history,
    day,
    n,
    'build_fact_learning_progress' as job_name,
    null as certain,
    null as common_noise,
    round(sum(5 * size * (1 + 0.0004 * (n - greatest(first_n, 0)))))::bigint as rows_counted
from bench_day
inner join bench_school on bench_day.history = bench_school.history and bench_day.n >= first_n
group by bench_day.history, day, n;

create unique index on bench_rows (job_name, day);

-- No school of a platform is idle, nor was in the seven days before.
create table bench_ordinary as
select
    history,
    day,
    not bool_or(bool_or(is_idle)) over (partition by history order by n rows between 7 preceding and current row)
        as is_ordinary
from bench_calendar
group by history, day, n;

-- Faults, in three passes over the histories, eleven days apart and from the ninth week on: half, or twice, the rows of
-- one job or of all.
create table bench_faults as
with days as (
    select
        pass,
        day,
        case when pg_temp.uniform('factor ' || pass || name || n) < 0.75 then 0.5 else 2 end as factor,
        pg_temp.uniform('all ' || pass || name || n) < 0.3 as is_all,
        floor(5 * pg_temp.uniform('job ' || pass || name || n)) as chosen
    from bench_day
    cross join generate_series(1, 6) as passes (pass)
    where n >= 56 and (n + 9 * pass) % 57 = 0
)

select
    pass,
    jobs.job_name,
    day,
    factor,
    is_all
from days
cross join
    (
        select
            job_name,
            row_number() over (order by job_name) - 1 as number
        from (select distinct job_name from bench_rows) as names
    ) as jobs
where is_all or number = chosen;

create table bench_judged (
    pass integer,
    job_name text,
    day date,
    is_judged boolean,
    is_unusual boolean
);

insert into etl_job_runs (job_name, run_date, target_date, status, rows_processed, started_at, completed_at)
select
    job_name,
    day + 1,
    day,
    'SUCCESS',
    rows_counted,
    (day + 1)::timestamptz,
    (day + 1)::timestamptz
from bench_rows;

analyze;
