-- Moves the staged rows that lack a key which every row must have into etl_rejected_rows.
-- Variables: run_id, job_name, target_date, source_table, source_id (column), required (column).
with lacking as (
    delete from stage
    where :"required" is null
    returning stage.*
)

insert into etl_rejected_rows (run_id, job_name, target_date, source_table, source_id, reason, payload)
select
    :'run_id'::uuid,
    :'job_name',
    :'target_date'::date,
    :'source_table',
    lacking.:"source_id"::text,
    'no ' || :'required',
    to_jsonb(lacking)
from lacking
