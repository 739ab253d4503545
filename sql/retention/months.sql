-- The months of a fact that lie wholly before a day, the oldest first: rows, and bytes with indexes.
-- Variables: fact, before.
with partitions as (
    select
        pg_inherits.inhrelid,
        to_date(right(pg_class.relname, 7), 'YYYY_MM') as month
    from pg_inherits
    inner join pg_class on pg_inherits.inhrelid = pg_class.oid
    where
        pg_inherits.inhparent = :'fact'::regclass
        and pg_class.relname ~ '_[0-9]{4}_[0-9]{2}$'
),

counted as (
    select
        date_key / 100 as month_key,
        count(*) as rows_held
    from :"fact"
    where date_key < to_char(:'before'::date, 'YYYYMMDD')::integer
    group by date_key / 100
)

select
    partitions.month,
    coalesce(counted.rows_held, 0) as rows_held,
    pg_total_relation_size(partitions.inhrelid) as bytes
from partitions
left join counted on to_char(partitions.month, 'YYYYMM')::integer = counted.month_key
where partitions.month + interval '1 month' <= :'before'::date
order by partitions.month
