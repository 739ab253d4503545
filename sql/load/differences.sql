-- Where the rows that a table holds are not those that it should hold: one row in difference per such row, with both.
-- missing: the table lacks it; surplus: the table should not hold it; altered: a column differs.
-- Variables: rows (query), held_in (table), held, wanted (conditions on the table and on the rows), columns, key
-- (column), same_row, differ (conditions).
create temporary table difference on commit drop as
with loaded as (
    select given.*
    from (:rows) as given
),

expected as (
    select :columns
    from loaded
    where :wanted
),

held as (
    select :columns
    from :"held_in"
    where :held
)

select
    case
        when held.:"key" is null then 'missing'
        when expected.:"key" is null then 'surplus'
        else 'altered'
    end as kind,
    to_jsonb(expected) as expected,
    to_jsonb(held) as held
from expected
full join held on :same_row
where :differ
