-- Whether the staged rows name a member that the dimension has never seen. Variables: dimension, business_key.
select exists(
    select
    from stage
    where
        stage.:"business_key" is not null
        and not exists (
            select
            from :"dimension" as dimension
            where dimension.:"business_key" = stage.:"business_key"
        )
)
