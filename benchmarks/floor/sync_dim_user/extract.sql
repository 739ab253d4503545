-- Source: users, whole.
copy (
    select
        id,
        tenant_id,
        role,
        coalesce(is_active, true) and deleted_at is null,
        created_at
    from users
) to stdout (format binary); -- noqa: PRS
