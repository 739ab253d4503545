-- Partitions are made in the schema of their fact, whatever schema comes first in the search path.

-- Makes what a day needs before it can be loaded: the fact's month partition, and the calendar of its year.
-- Cheap where both are there; safe for two sessions at once. The partition is made beside the table and then attached,
-- so that readers of the fact never wait.
create or replace function etl_ensure_day(fact text, day date) returns void
language plpgsql as $$
declare
    month date := date_trunc('month', day)::date;
    next_month date := (date_trunc('month', day) + interval '1 month')::date;
    partition_name text := fact || to_char(day, '"_"YYYY"_"MM');
    fact_schema regnamespace := (select relnamespace from pg_class where oid = fact::regclass);
begin
    if exists (select from pg_class where relname = partition_name and relnamespace = fact_schema) then
        return;
    end if;
    perform pg_advisory_xact_lock(hashtext('aivo_luigi partitions'), 0);
    if exists (select from pg_class where relname = partition_name and relnamespace = fact_schema) then
        return;
    end if;
    perform etl_make_dates(extract(year from day)::integer);
    -- Attaching clones the foreign keys, which locks the dimensions; in the order in which inferred members lock them.
    lock table dim_tenant, dim_learner, dim_subject, dim_skill in share row exclusive mode;
    execute format(
        'create table %s.%I (like %I including defaults including constraints including comments)',
        fact_schema, partition_name, fact
    );
    execute format(
        'comment on table %s.%I is %L',
        fact_schema, partition_name, 'Partition of ' || fact || ' for ' || to_char(day, 'YYYY-MM') || '.'
    );
    execute format(
        'alter table %I attach partition %s.%I for values from (%s) to (%s)',
        fact, fact_schema, partition_name, to_char(month, 'YYYYMMDD'), to_char(next_month, 'YYYYMMDD')
    );
end
$$;
