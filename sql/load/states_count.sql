-- How many states the history will hold as present once stage is merged, if none of those that it holds is gone.
select
    (select count(*) from learner_skill_history where held_to = 'infinity' and not is_gone)
    + (
        select count(*)
        from stage
        where not exists (
            select
            from learner_skill_history as held
            where
                held.learner_id = stage.learner_id
                and held.skill_id = stage.skill_id
                and held.held_to = 'infinity'
                and not held.is_gone
        )
    ) as states
