-- What could at best be caught on each job-day of alarms.sql: the share of halvings below the threshold that one day in
-- a hundred crosses by chance (Neyman and Pearson), for an oracle who knows the day's calendar and level, and how much
-- counts scatter. Of one fact: he knows the noise of the day as well, so that chance and the fact's own noise are left.
-- Of all: he weighs them by their scatter; the noise that they share is left. Learning progress hardly scatters.

-- The normal distribution, to the third decimal.
create function pg_temp.normal_below(z float8) returns float8
language sql immutable
return 1 / (1 + exp(greatest(-500, least(500, -1.5976 * z - 0.07056 * power(z, 3)))));

create table bench_ceilings as
with scatters as (
    select
        job_name,
        bench_rows.day,
        common,
        -- The square root of a count scatters by a half, whatever its mean; the fact's noise comes on top.
        sqrt(greatest(certain, 0) * common_noise) as root,
        0.5 * sqrt(1 + power(own, 2) * certain * common_noise) as root_scatter,
        sum(1 / (power(own, 2) + 1 / greatest(certain, 0.5))) over (partition by bench_rows.day) as weights
    from bench_rows
    inner join bench_history on bench_rows.history = bench_history.history
    where certain is not null
)

select
    job_name,
    day,
    pg_temp.normal_below(((sqrt(2) - 1) * root - sqrt(2) * 2.3263 * root_scatter) / root_scatter) as one,
    pg_temp.normal_below(ln(2) / sqrt(power(common, 2) + 1 / weights) - 2.3263) as together
from scatters;
