-- SCD 1, where everything was read: deactivates the members that are gone from the source. One that can't be loaded is
-- not gone.
-- Variables: rows (query: the rows of the source), dimension, business_key, not_rejected (condition).
update :"dimension" as known
set is_active = false
where
    known.is_active
    and not known.is_inferred
    and not exists (
        select
        from (:rows) as incoming
        where incoming.:"business_key" = known.:"business_key"
    )
    and :not_rejected
