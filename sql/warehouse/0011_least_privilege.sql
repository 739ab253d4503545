-- A run needs no ownership: who loads and who migrates may be two roles (sql/roles.sql). What only an owner can do, it
-- asks of functions that run as the owner, each with a search path of its own.

-- The fact of this name; an error where there is none, so that nothing else is given partitions, or loses them.
create function etl_fact(fact text) returns regclass
language plpgsql stable as $$
declare
    found regclass := (
        select oid
        from pg_class
        where
            relname = fact
            and relnamespace = current_schema()::text::regnamespace
            and relkind = 'p'
            and starts_with(relname, 'fact_')
    );
begin
    if found is null then
        raise exception '% is no fact of this warehouse', fact;
    end if;
    return found;
end
$$;

-- Makes what a day needs before it can be loaded: the fact's month partition, and the calendar of its year.
-- Cheap where both are there; safe for two sessions at once. The partition is made beside the table and then attached,
-- so that readers of the fact never wait.
create or replace function etl_ensure_day(fact text, day date) returns void
language plpgsql security definer as $$
declare
    parent regclass := etl_fact(fact);
    month date := date_trunc('month', day)::date;
    next_month date := (date_trunc('month', day) + interval '1 month')::date;
    partition_name text := fact || to_char(day, '"_"YYYY"_"MM');
    fact_schema regnamespace := current_schema()::text::regnamespace;
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
        'create table %s.%I (like %s including defaults including constraints including comments)',
        fact_schema, partition_name, parent
    );
    execute format(
        'comment on table %s.%I is %L',
        fact_schema, partition_name, 'Partition of ' || fact || ' for ' || to_char(day, 'YYYY-MM') || '.'
    );
    execute format(
        'alter table %s attach partition %s.%I for values from (%s) to (%s)',
        parent, fact_schema, partition_name, to_char(month, 'YYYYMMDD'), to_char(next_month, 'YYYYMMDD')
    );
end
$$;

-- Tells the planner how a dimension, or the history of skill states, has grown.
create function etl_analyze(name text) returns void
language plpgsql security definer as $$
begin
    if not (starts_with(name, 'dim_') or name = 'learner_skill_history') then
        raise exception '% is none of the tables that a load analyses', name;
    end if;
    execute format('analyze %s.%I', current_schema()::text::regnamespace, name);
end
$$;

comment on function etl_ensure_day(text, date) is
'Makes the partition and the calendar that a day of a fact needs. Runs as the owner of the tables.';
comment on function etl_analyze(text) is
'Analyses a dimension, or the history of skill states. Runs as the owner of the tables.';

-- Where the tables are, and nowhere else, these functions look for them; not everyone may call them.
do $$
declare
    place regnamespace := (select relnamespace from pg_class where oid = 'fact_sessions'::regclass);
    signature text;
begin
    foreach signature in array array['etl_ensure_day(text, date)', 'etl_analyze(text)'] loop
        execute format('alter function %s set search_path = %s, pg_temp', signature, place);
        execute format('revoke execute on function %s from public', signature);
    end loop;
end
$$;
