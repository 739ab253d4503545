-- The history of skill states now begins with a day: what is built of the days before it is not exact any more.
-- Variables: before.
update etl_watermarks
set began_at = :'before'::date
where
    source_table = 'learner_skill_states'
    and began_at < :'before'::date
