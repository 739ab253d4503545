-- How many states the history will hold as present once state_read is merged, if none of those that it holds is gone.
select
    (select count(*) from learner_skill_history where held_to = 'infinity' and not is_gone)
    + (
        select count(*)
        from state_read
        where not exists (
            select
            from learner_skill_history as held
            where
                held.learner_id = state_read.learner_id
                and held.skill_id = state_read.skill_id
                and held.held_to = 'infinity'
                and not held.is_gone
        )
    ) as states
