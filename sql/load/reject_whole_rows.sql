-- Moves the rows of a staged table that lack a key which every row must have into rejected.
-- Variables: staged (table), source_table, source_id (column), required (column).
with lacking as (
    delete from :"staged" as staged
    where staged.:"required" is null
    returning staged.*
)

insert into rejected (source_table, source_id, reason, payload)
select
    :'source_table',
    lacking.:"source_id"::text,
    'no ' || :'required',
    to_jsonb(lacking)
from lacking
