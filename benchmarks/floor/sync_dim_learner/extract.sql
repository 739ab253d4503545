-- Source: learners, whole.
copy (
    select
        id,
        tenant_id,
        coalesce(grade_band::text, 'UNKNOWN'),
        grade_level,
        coalesce(is_active, true),
        created_at,
        coalesce(updated_at, now()),
        deleted_at
    from learners
) to stdout (format binary); -- noqa: PRS
