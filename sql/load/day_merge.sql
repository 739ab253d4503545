-- Makes the day what rows says: rows that went are deleted, rows that differ are overwritten, and new ones inserted
-- in the order of their business key, which the indexes like best. A row that stays keeps its surrogate key; one that
-- is the same is not written. One row: the number of rows before, of rows loaded, the ids of those gone, and how many
-- were added.
-- Variables: rows (query: the day as the fact should hold it), fact, surrogate_key, date_key, columns, incoming_columns
-- (the same, of incoming), business_key (columns), id (the first of them), same_row, differ (conditions on loaded and
-- day_before).
with day_before as materialized (
    select *
    from :"fact"
    where date_key = :date_key
),

incoming as materialized (
    select
        loaded.*,
        day_before.:"surrogate_key" as key_before,
        :differ as differs
    from (:rows) as loaded
    left join day_before on :same_row
),

gone as (
    delete from :"fact"
    where
        date_key = :date_key
        and :"surrogate_key" in (
            select day_before.:"surrogate_key"
            from day_before
            where not exists (
                select
                from incoming
                where incoming.key_before = day_before.:"surrogate_key"
            )
        )
    returning :"id" as id
),

overwritten as (
    update :"fact" as fact
    set (:columns) = (select :incoming_columns)
    from incoming
    where
        fact.date_key = :date_key
        and fact.:"surrogate_key" = incoming.key_before
        and incoming.differs
),

added as (
    insert into :"fact" (date_key, :columns)
    select
        :date_key,
        :incoming_columns
    from incoming
    where key_before is null
    order by :business_key
    returning date_key
)

select
    (select count(*) from day_before) as rows_before,
    (select count(*) from incoming) as loaded,
    (select coalesce(array_agg(id::text), '{}') from gone) as gone,
    (select count(*) from added) as added
