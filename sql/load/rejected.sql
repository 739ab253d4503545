-- What can't be loaded, while the run lasts: whole rows (field is NULL), and fields that are left out. stands: recorded
-- by an earlier run of the day, of a row that was not read this time.
create temporary table if not exists rejected (
    source_table text not null,
    source_id text,
    field text,
    reason text not null,
    payload jsonb not null,
    stands boolean not null default false
) on commit delete rows
