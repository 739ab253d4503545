-- Source: the recommendations created on the day. Variables: day.
copy (
    select
        id,
        tenant_id,
        learner_id,
        skill_id,
        recommendation_type,
        source,
        was_accepted,
        was_declined,
        floor(extract(epoch from responded_at - created_at))::integer,
        created_at,
        responded_at
    from recommendations
    where created_at >= :'day'::timestamptz and created_at < :'day'::timestamptz + interval '1 day'
) to stdout (format binary); -- noqa: PRS
