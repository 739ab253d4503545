-- Whether a table of the source can be read by what changed: it has a valid index of all its rows that keeps an order,
-- that of updated_at first. Variables: source_table.
select exists(
    select
    from pg_index
    where
        indrelid = to_regclass(:'source_table')
        and indisvalid
        and indpred is null
        and pg_get_indexdef(indexrelid, 1, true) = quote_ident('updated_at')
        and pg_index_column_has_property(indexrelid, 1, 'orderable')
) as is_indexed
