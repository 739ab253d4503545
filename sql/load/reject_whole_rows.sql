-- Moves the rows of a staged table that lack a key which every row must have into rejected.
-- Variables: staged (table), source_table, source_id (column), required (columns), names (the same, as array text).
with lacking as (
    delete from :"staged" as staged
    where num_nulls(:required) > 0
    returning to_jsonb(staged) as payload
)

insert into rejected (source_table, source_id, reason, payload)
select
    :'source_table',
    payload ->> :'source_id',
    'no ' || (
        select required.name
        from unnest(:'names'::text[]) with ordinality as required (name, place)
        where payload ->> required.name is null
        order by required.place
        limit 1
    ),
    payload
from lacking
