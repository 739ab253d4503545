-- The first day of the oldest month that a fact holds, or will hold once those before a day have gone; NULL for none.
-- Variables: fact, before (NULL: none goes).
select min(partitions.month) as month
from (
    select to_date(right(pg_class.relname, 7), 'YYYY_MM') as month
    from pg_inherits
    inner join pg_class on pg_inherits.inhrelid = pg_class.oid
    where
        pg_inherits.inhparent = :'fact'::regclass
        and pg_class.relname ~ '_[0-9]{4}_[0-9]{2}$'
) as partitions
where
    :'before'::date is null
    or partitions.month + interval '1 month' > :'before'::date
