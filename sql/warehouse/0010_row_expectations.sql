-- How many rows a fact was to have on a day, by its own last weeks and by the other facts of that day.

create view etl_row_expectations as
-- Everything is reckoned in logarithms (of rows + 1), so that half and double are equally far away.
--
-- Own expectation: the median of the last like days (five weekdays, or four days of weekends), and what the weekday
-- usually is above or below such a median (the median of eight weeks). Holidays don't spoil medians; growth, new
-- schools and vacations have moved them after three days.
--
-- Others: how far the other facts are from their own expectations on that day, the median of them. It tells one fact's
-- fault from a day that is unlike other days for all:
--   up to `alike`         the others say where this fact should be;
--   up to `calendar`      all between them and its own expectation is usual (exams; a third, or threefold);
--   above `calendar`      a holiday, or the end of one: again the others say where, less exactly (`holiday_width`);
--   above `nothing`       a fault of all, for no holiday is so quiet (a hundredth);
--   from `together` to `calendar` a fault of all (half the source was loaded), judged by their own expectations. Not so
--                         where two of the last five days were holidays: then a vacation has begun or ended. And what
--                         the others were out on the last like day already, by a `step` at least, is usual on the day
--                         after: a new school, or vacations that begin in one region after the other.
--
-- Spread: what chance does to a count (Poisson) and `least_noise`, times how much more this fact varied in sixteen
-- weeks (the median, so that faults don't count). Usual is what lies within `width` spreads, and within `least_width`;
-- in a fault of all within `together_width`, with a spread that counts less (`together_spread`), for the others bear
-- witness. A day is judged only where its spread is `most_spread` at most: above it half the rows may be chance, as it
-- is where less than some sixty are expected.
--
-- The numbers were found by `python -m benchmarks alarms`, which says how often they are wrong.
with limits as (
    select
        0.3 as alike,
        0.42 as together,
        ln(3) as calendar,
        ln(100) as nothing,
        0.25 as step,
        0.05 as least_noise,
        2.8 as width,
        0.38 as least_width,
        0.2 as together_width,
        0.9 as together_spread,
        1.5 as holiday_width,
        0.14 as most_spread
),

days as (
    select distinct on (job_name, target_date)
        job_name,
        target_date as day,
        rows_processed as rows_counted,
        ln(rows_processed + 1.0::float8) as height,
        extract(isodow from target_date) as weekday,
        -- Learning progress has a row for each learner and subject, whatever they do: it knows no weekend or holiday.
        case
            when job_name = 'build_fact_learning_progress' then 'any'
            when extract(isodow from target_date) > 5 then 'weekend'
            else 'weekday'
        end as kind
    from etl_job_runs
    where
        status = 'SUCCESS'
        and not starts_with(job_name, 'sync_')
        and started_at >= (target_date + 1)::timestamp at time zone 'UTC'
    order by job_name asc, target_date asc, started_at desc
),

levels as (
    select
        recent.*,
        level.middle as level
    from (
        select
            *,
            array_agg(height) over (
                partition by job_name, kind order by day rows between 5 preceding and 1 preceding
            ) as heights
        from days
    ) as recent
    cross join lateral (
        select case when cardinality(heights) = 5 then percentile_cont(0.5) within group (order by x) end as middle
        from unnest(heights) with ordinality as last_days (x, number)
        where kind <> 'weekend' or number > 1
    ) as level
),

own as (
    select
        weeks.*,
        level + usual.middle as expected,
        height - level - usual.middle as deviation,
        lag(height - usual.middle) over (partition by job_name, kind order by day) - level as last_deviation
    from (
        select
            *,
            array_agg(height - level) over (
                partition by job_name, weekday
                order by day range between interval '56 days' preceding and interval '1 day' preceding
            ) as above_level
        from levels
    ) as weeks
    cross join lateral (
        select case when count(x) >= 3 then percentile_cont(0.5) within group (order by x) end as middle
        from unnest(above_level) as x
    ) as usual
),

relatives as (
    select
        compared.*,
        coalesce(now.middle, 0) as others,
        coalesce(before.middle, 0) as last_others
    from (
        select
            *,
            array_agg(deviation) over same_day as deviations,
            array_agg(last_deviation) over same_day as last_deviations
        from own
        window same_day as (
            partition by day, kind
            order by job_name rows between unbounded preceding and unbounded following exclude current row
        )
    ) as compared
    cross join
        lateral (
            select percentile_cont(0.5) within group (order by x) as middle
            from unnest(case when kind <> 'any' then deviations end) as x
        ) as now
    cross join lateral (
        select percentile_cont(0.5) within group (order by x) as middle
        from unnest(case when kind <> 'any' then last_deviations end) as x
    ) as before
),

varied as (
    select
        weeks.*,
        usual.variation
    from (
        select
            relatives.*,
            array_agg(abs(deviation - others) / sqrt(exp(-expected - others) + power(least_noise, 2))) over (
                partition by job_name, kind
                order by day range between interval '112 days' preceding and interval '1 day' preceding
            ) as distances,
            count(*) filter (where abs(others) > calendar) over (
                partition by job_name
                order by day range between interval '5 days' preceding and interval '1 day' preceding
            ) as extraordinary_days
        from relatives
        cross join limits
    ) as weeks
    cross join lateral (
        -- 1.4826 makes a standard deviation of the median distance.
        select
            case
                when count(x) >= 8 then greatest(1, 1.4826 * percentile_cont(0.5) within group (order by x))
            end as variation
        from unnest(distances) as x
    ) as usual
),

steps as (
    select
        *,
        -- Where others were on the last like day already, if that was a step; as near to today's as they have been.
        least(greatest(others, least(stepped, 0)), greatest(stepped, 0)) as known
    from (
        select
            varied.*,
            case when abs(last_others) between step and calendar then last_others else 0 end as stepped
        from varied
        cross join limits
    ) as last_days
),

explained as (
    select
        *,
        case
            when
                (abs(others - known) between together and calendar or abs(others - known) > nothing)
                and extraordinary_days < 2 then 'together'
            when abs(others) <= alike then 'alike'
            when abs(others) <= calendar then 'between'
            else 'holiday'
        end as explanation
    from steps
    cross join limits
),

spreads as (
    select
        *,
        variation * case explanation when 'holiday' then holiday_width when 'together' then together_spread else 1 end
        * sqrt(exp(-expected - shift) + power(least_noise, 2)) as spread
    from (
        select
            *,
            case explanation when 'together' then known when 'between' then others / 2 else others end as shift
        from explained
    ) as shifted
),

bounds as (
    select
        *,
        expected + shift as centre,
        case explanation
            when 'together' then together_width
            when 'between' then greatest(width * spread, least_width) + abs(others) / 2
            when 'holiday' then greatest(width * spread, holiday_width * least_width)
            else greatest(width * spread, least_width)
        end as reach
    from spreads
),

judged as (
    select
        *,
        round(exp(centre) - 1) as expected_rows,
        greatest(0, ceil(exp(centre - reach) - 1)) as lower_rows,
        floor(exp(centre + reach) - 1) as upper_rows,
        spread <= most_spread as is_judged
    from bounds
)

select
    job_name,
    day,
    rows_counted,
    case when is_judged then expected_rows::bigint end as expected_rows,
    case when is_judged then lower_rows::bigint end as lower_rows,
    case when is_judged then upper_rows::bigint end as upper_rows,
    coalesce(is_judged and rows_counted not between lower_rows and upper_rows, false) as is_unusual
from judged;

comment on view etl_row_expectations is
'How many rows a fact was to have on a day, by its own last weeks and by the other facts of that day: a row per fact '
'and complete day. What is expected is NULL where there is too little history, or there are too few rows.';
comment on column etl_row_expectations.job_name is 'Name of the job.';
comment on column etl_row_expectations.day is 'UTC day that was built.';
comment on column etl_row_expectations.rows_counted is 'Rows read by the last run that succeeded.';
comment on column etl_row_expectations.expected_rows is 'Rows that were to be expected.';
comment on column etl_row_expectations.lower_rows is 'The least number that is usual.';
comment on column etl_row_expectations.upper_rows is 'The greatest number that is usual.';
comment on column etl_row_expectations.is_unusual is
'Whether there are fewer or more rows than usual; false where nothing is expected.';
