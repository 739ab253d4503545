-- Source: tenants, whole.
copy (
    select
        id,
        name,
        coalesce(type, 'SCHOOL'),
        district_id,
        state,
        coalesce(country, 'US'),
        coalesce(timezone, 'America/New_York'),
        coalesce(is_active, true),
        created_at,
        coalesce(updated_at, now()),
        deleted_at
    from tenants
) to stdout (format binary); -- noqa: PRS
