-- Whether the partition of a day's month is there. Variables: fact, day.
select exists(
    select
    from pg_inherits
    inner join pg_class on pg_inherits.inhrelid = pg_class.oid
    where
        pg_inherits.inhparent = :'fact'::regclass
        and pg_class.relname = :'fact' || to_char(:'day'::date, '"_"YYYY"_"MM')
) as has_month
