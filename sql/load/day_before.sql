-- The day as it was: the surrogate key of each business id, so that a day built again gives the same ones.
-- Variables: fact, surrogate_key, business_key (columns), date_key.
create temporary table day_before on commit drop as
select
    :"surrogate_key",
    :business_key
from :"fact"
where date_key = :date_key;

analyze day_before;

delete from :"fact"
where date_key = :date_key
