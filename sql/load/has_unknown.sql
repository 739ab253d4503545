-- Whether staged rows name a member that the dimension has never seen. Counted, so that it is planned for all rows: for
-- the first one the planner would look up row by row. Variables: staged (table), dimension, business_key.
select count(*) > 0 as has_unknown
from :"staged" as staged
left join :"dimension" as dimension on staged.:"business_key" = dimension.:"business_key"
where
    staged.:"business_key" is not null
    and dimension.:"business_key" is null
