-- The day before which a policy lets go, by the warehouse's clock: the first day of the month that lies so many months
-- back, so that the present month and as many whole ones before it stay. Variables: months.
select (date_trunc('month', now() at time zone 'UTC') - make_interval(months => :months))::date as before
