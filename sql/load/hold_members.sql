-- Keeps the members of a dimension from going until the rows are committed that refer to them, as a foreign key would:
-- those that went before this are found missing by the failing checks. Variables: dimension.
select count(*) as members
from (select from :"dimension" for key share) as held
