-- How many rows a fact was to have on a day, by its own last weeks and by the other facts of that day.

create or replace view etl_row_expectations as
-- Everything is reckoned in logarithms (of rows + 1), so that half and double are equally far away.
--
-- Reference: the median of the same weekday in half a year. All that follows is how far above it a day is (`above`),
-- and the five days before were: the last like days (weekdays or weekends), their median. Holidays don't spoil it.
--
-- Others: how far the other facts are above their references on that day, the median of them. There this fact is to be,
-- too, and further by what it has been further in the five days before, if that is at least `parted`.
--
-- Fault of all (half of the source was loaded): the others have fallen by about a half since the five days before, at
-- most by `calendar` (more is a holiday), or by more than `nothing` (no holiday is so quiet). Not so where they had
-- fallen on the last like day already, by a `step`, or two of the last five days were holidays: a vacation has begun.
--
-- Spread: what chance does to a count (Poisson) and `least_noise`, times how much more this fact varied in sixteen
-- weeks (the median: faults don't count); wider by `uncertain` of how far the others are from the five days before.
--
-- Judged is a day whose spread is `most_spread` at most: then a halving can be told from chance. What is usual reaches
-- as far as a halving lets it, which lies `missed` spreads beyond. On other days it reaches `beyond` spreads: only what
-- chance can't do is unusual there. And what is unusual is also unlike the fact's own five days before, by `own_share`
-- of that reach; exams, for instance, draw the facts apart, each a little.
--
-- The numbers were found by `python -m benchmarks alarms`, which says how often they are wrong.
with limits as (
    select
        0.2 as parted,
        0.42 as together,
        1.1 as together_width,
        0.3 as together_spread,
        ln(3) as calendar,
        ln(100) as nothing,
        0.25 as step,
        0.05 as least_noise,
        0.1 as shared_noise,
        0.2 as uncertain,
        0.16 as most_spread,
        2.25 as missed,
        5 as beyond,
        0.75 as own_share,
        30 as most_height
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

referred as (
    select
        half_years.*,
        middle as reference,
        height - middle as above
    from (
        select
            *,
            array_agg(height) over (
                partition by job_name, weekday
                order by day range between interval '182 days' preceding and interval '1 day' preceding
            ) as heights
        from days
    ) as half_years
    cross join lateral (
        select case when count(x) >= 3 then percentile_cont(0.5) within group (order by x) end as middle
        from unnest(heights) as x
    ) as usual
),

compared as (
    select
        same_days.*,
        others
    from (
        select
            *,
            array_agg(above) over (
                partition by day, kind
                order by job_name rows between unbounded preceding and unbounded following exclude current row
            ) as aboves
        from referred
    ) as same_days
    cross join lateral (
        select percentile_cont(0.5) within group (order by x) as others
        from unnest(case when kind <> 'any' then aboves end) as x
    ) as middles
),

-- Without others, a fact is compared with its own five days before. Materialised, or each distance is reckoned anew for
-- each of the days that look back at it.
expected as materialized (
    select
        job_name,
        day,
        rows_counted,
        kind,
        least(reference + own_before, most_height) as own,
        last_others - others_before as last_moved,
        before,
        moved,
        abs(height - before - moved) / sqrt(exp(-before - moved) + power(least_noise, 2)) as distance
    from (
        select
            *,
            array_agg(above) over last_days as last_aboves,
            array_agg(others) over last_days as all_others,
            lag(others) over (partition by job_name, kind order by day) as last_others
        from compared
        window last_days as (partition by job_name, kind order by day rows between 5 preceding and 1 preceding)
    ) as five_days
    cross join limits
    left join lateral (
        select
            percentile_cont(0.5) within group (order by above) as own_before,
            percentile_cont(0.5) within group (order by other) as others_before,
            percentile_cont(0.5) within group (order by above - other) as apart
        from unnest(last_aboves, all_others) as last_days (above, other)
        having count(above) = 5
    ) as middles on true
    cross join lateral (
        select
            coalesce(others - others_before, 0) as moved,
            reference
            + coalesce(others_before, own_before)
            + case when abs(apart) >= parted then apart else 0 end as before
    ) as positions
),

varied as (
    select
        sixteen_weeks.*,
        variation,
        shared
    from (
        select
            *,
            array_agg(distance) over weeks as distances,
            array_agg(abs(moved)) over weeks as moves,
            count(*) filter (where abs(moved) > calendar) over (
                partition by job_name
                order by day range between interval '5 days' preceding and interval '1 day' preceding
            ) as holidays
        from expected
        cross join limits
        window weeks as (
            partition by job_name, kind
            order by day range between interval '112 days' preceding and interval '1 day' preceding
        )
    ) as sixteen_weeks
    cross join lateral (
        -- 1.4826 makes a standard deviation of the median distance.
        select
            case
                when count(distance) >= 8
                    then greatest(1, 1.4826 * percentile_cont(0.5) within group (order by distance))
            end as variation,
            greatest(shared_noise, 1.4826 * percentile_cont(0.5) within group (order by move)) as shared
        from unnest(distances, moves) as weeks (distance, move)
    ) as usual
),

explained as (
    select
        *,
        coalesce(
            (
                -moved between greatest(together, ln(2) - together_width * shared) and calendar
                or -moved > nothing
            )
            and coalesce(last_moved, 0) > -step and holidays < 2 and shared <= together_spread
            and variation * sqrt(exp(-before) + power(least_noise, 2)) <= most_spread,
            false
        ) as is_together
    from varied
),

judged as (
    select *
    from explained
    cross join lateral (select case when is_together then 0 else moved end as shift) as shifts
    cross join
        lateral (
            select
                least(before + shift, most_height) as centre,
                variation * sqrt(exp(-before - shift) + power(least_noise, 2)) as by_chance
        ) as expectations
    cross join lateral (select sqrt(power(by_chance, 2) + power(uncertain * shift, 2)) as spread) as spreads
    cross join
        lateral (
            select
                case
                    when spread <= most_spread then ln(2) - missed * spread
                    when spread > most_spread then least(beyond * spread, 10)
                end as reach
        ) as reaches
    cross join lateral (
        select
            case when reach is not null then round(exp(centre) - 1)::bigint end as expected_rows,
            ceil(
                exp(least(case when not is_together then centre - reach end, own - own_share * reach)) - 1
            )::bigint as lower_rows,
            floor(exp(greatest(centre + reach, own + own_share * reach)) - 1)::bigint as upper_rows
    ) as bounds
)

select
    job_name,
    day,
    rows_counted,
    expected_rows,
    lower_rows,
    upper_rows,
    coalesce(rows_counted not between lower_rows and upper_rows, false) as is_unusual,
    case
        when spread is null then 'too little history'
        when by_chance > most_spread then 'too few rows'
        when spread > most_spread then 'unlike the days before'
    end as not_judged
from judged;

comment on view etl_row_expectations is
'How many rows a fact was to have on a day, by its own last weeks and by the other facts of that day: a row per fact '
'and complete day. What is expected is NULL where there is too little history.';
comment on column etl_row_expectations.is_unusual is
'Whether there are fewer or more rows than usual; false where nothing is expected.';
comment on column etl_row_expectations.not_judged is
'Why half the rows could not be told from chance on that day, so that only what is far beyond chance is unusual: too '
'little history; too few rows, for what they vary; unlike the days before, a holiday for instance. NULL: judged.';
