-- Drops months of a fact. Variables: fact, months (their first days, as an array's text).
select count(*) filter (where etl_drop_month(:'fact', month)) as dropped
from unnest(:'months'::date[]) as months (month)
