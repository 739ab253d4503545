-- SCD 1: deactivates the members that are gone from the source. Variables: dimension, business_key.
update :"dimension" as known
set is_active = false
where
    known.is_active
    and not known.is_inferred
    and not exists (
        select
        from loaded as incoming
        where incoming.:"business_key" = known.:"business_key"
    )
