-- Moves the watermark of a source table. Variables: source_table, clock, whole (whether everything was read).
insert into etl_watermarks (source_table, began_at, read_at, reconciled_at)
values (:'source_table', :'clock', :'clock', :'clock')
on conflict (source_table) do update
    set
        read_at = excluded.read_at,
        reconciled_at = case when :'whole'::boolean then excluded.reconciled_at else etl_watermarks.reconciled_at end
