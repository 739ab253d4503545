-- Makes the day what loaded says: rows that went are deleted, rows that differ are overwritten, and new ones inserted
-- in the order of their business key, which the indexes like best. A row that stays keeps its surrogate key; one that
-- is the same is not written. One row: the numbers of rows loaded, gone and added.
-- Variables: fact, surrogate_key, date_key, columns, incoming_columns (the same, of incoming), business_key (columns),
-- same_row, differ (conditions on loaded and day_before).
with incoming as materialized (
    select
        loaded.*,
        day_before.:"surrogate_key" as key_before,
        :differ as differs
    from loaded
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
    returning date_key
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
    (select count(*) from incoming) as loaded,
    (select count(*) from gone) as gone,
    (select count(*) from added) as added
