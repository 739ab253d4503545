-- How many rows were to be expected of the facts' days, of those that are judged or unusual. Variables:
-- first_day, last_day.
select
    job_name,
    day,
    lower_rows,
    upper_rows,
    is_unusual
from etl_row_expectations
where
    day between :'first_day'::date and :'last_day'::date
    and (not_judged is null or is_unusual)
order by job_name, day
