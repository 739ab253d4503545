-- What can't be loaded, while the run lasts: whole rows (field is NULL), and fields that are left out.
create temporary table rejected (
    source_table text not null,
    source_id text,
    field text,
    reason text not null,
    payload jsonb not null
) on commit drop
