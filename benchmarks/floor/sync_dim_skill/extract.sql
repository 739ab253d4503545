-- Source: skills, whole.
copy (
    select
        id,
        subject::text,
        code,
        name,
        description,
        grade_band::text,
        parent_skill_id,
        depth,
        deleted_at is null
    from skills
) to stdout (format binary); -- noqa: PRS
