-- How many members a dimension will hold as present once stage is merged, if none of those that stage doesn't name is
-- gone. No row where stage has a row that can't be loaded: then everything is read, and the row told of as ever.
-- Variables: dimension, business_key, held (condition on members), present (condition on stage), required (columns).
select
    (select count(*) from :"dimension" where :held)
    - (
        select count(*)
        from :"dimension"
        where
            :held
            and :"business_key" in (select stage.:"business_key" from stage)
    )
    + (select count(*) from stage where :present) as present
where not exists (select from stage where num_nulls(:required) > 0)
