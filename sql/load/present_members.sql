-- How many members a dimension will hold as present once stage is merged, if none of those that stage doesn't name is
-- gone. A row that can't be loaded is one too many: everything is read, and told as it is told then.
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
    + (
        select count(*)
        from stage
        where
            :present
            or num_nulls(:required) > 0
    ) as present
