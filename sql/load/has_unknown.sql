-- Whether the staged rows name a member that the dimension has never seen. They are counted, not looked for: for the
-- first of them the planner looks each row up by itself, which takes long where there is none.
-- Variables: dimension, business_key.
select count(*) > 0 as has_unknown
from stage
where
    stage.:"business_key" is not null
    and not exists (
        select
        from :"dimension" as dimension
        where dimension.:"business_key" = stage.:"business_key"
    )
