-- Whether a table of the source can be read by what changed: it has a valid index of all its rows whose first column is
-- updated_at. Variables: source_table.
select exists(
    select
    from pg_index
    inner join pg_attribute
        on
            pg_index.indrelid = pg_attribute.attrelid
            and pg_index.indkey[0] = pg_attribute.attnum
    inner join pg_class on pg_index.indexrelid = pg_class.oid
    inner join pg_am on pg_class.relam = pg_am.oid
    where
        pg_index.indrelid = to_regclass(:'source_table')
        and pg_index.indisvalid
        and pg_index.indpred is null
        and pg_attribute.attname = 'updated_at'
        and pg_am.amname = 'btree'
) as is_indexed
