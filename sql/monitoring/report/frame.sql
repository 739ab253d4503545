-- The warehouse's clock, and the first day on which a fact is complete: what is missing before it was never asked for.
select
    now() as made_at,
    (
        select min(target_date)
        from etl_recent_runs
        where
            kind = 'fact'
            and status = 'SUCCESS'
            and not is_provisional
    ) as first_built
