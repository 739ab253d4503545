-- Retention: what it takes to let go of a month, and of run rows.

-- A run row that goes takes its rejected rows along: these are looked up by their run.
create index etl_rejected_rows_run on etl_rejected_rows (run_id);

-- Drops the partition of a fact's month that is over, with all its rows; whether there was one. Runs as the owner of
-- the tables: a loader may delete the rows, and so their partition.
create function etl_drop_month(fact text, month date) returns boolean
language plpgsql security definer as $$
declare
    parent regclass := etl_fact(fact);
    partition_name text := fact || to_char(month, '"_"YYYY"_"MM');
    found regclass := (
        select pg_inherits.inhrelid
        from pg_inherits
        inner join pg_class on pg_inherits.inhrelid = pg_class.oid
        where
            pg_inherits.inhparent = parent
            and pg_class.relname = partition_name
    );
begin
    if date_trunc('month', month) >= date_trunc('month', now() at time zone 'UTC') then
        raise exception 'the month of % is not over: it stays', month;
    end if;
    if found is not null then
        execute format('drop table %s', found);
    end if;
    return found is not null;
end
$$;

comment on function etl_drop_month(text, date) is
'Drops the partition of a month of a fact that is over. Runs as the owner of the tables.';

do $$
declare
    place regnamespace := (select relnamespace from pg_class where oid = 'fact_sessions'::regclass);
begin
    execute format('alter function etl_drop_month(text, date) set search_path = %s, pg_temp', place);
    revoke execute on function etl_drop_month(text, date) from public;
end
$$;
