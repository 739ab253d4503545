-- The indexes that the pipeline recommends to the owner of a source: with them a day costs what the day holds, without
-- them a look at the whole table. It works without them.
-- Grain:      none; it makes indexes.
-- Parameters: none. Safe to run again. On a busy server run each as "create index concurrently", outside a transaction.

-- build_fact_sessions and the practice minutes of build_fact_learning_progress read the sessions started on a day.
create index if not exists sessions_started_at on sessions (started_at);

-- build_fact_focus_events reads the focus events of a day, a tenth of all: a small, partial index. Where event_type
-- is an enum, leave out the condition: the pipeline compares the type as text, which such an index would not serve.
create index if not exists session_events_focus_event_time on session_events (event_time)
where event_type in (
    'FOCUS_LOSS_DETECTED',
    'FOCUS_BREAK_STARTED',
    'FOCUS_BREAK_ENDED',
    'FOCUS_INTERVENTION_SHOWN',
    'FOCUS_INTERVENTION_COMPLETED'
);

-- build_fact_homework_events reads the homework submitted on a day.
create index if not exists homework_submissions_created_at on homework_submissions (created_at);

-- build_fact_recommendation_events reads the recommendations made on a day.
create index if not exists recommendations_created_at on recommendations (created_at);

-- sync_dim_learner and sync_dim_user read the rows that changed since they last looked, in place of all. Tenants and
-- skills are few: theirs would not pay.
create index if not exists learners_updated_at on learners (updated_at);

create index if not exists users_updated_at on users (updated_at);

-- sync_dim_learner counts the learners that are there, to find out whether some are gone: a small index to count in.
-- Its condition is the very one by which sql/jobs/sync_dim_learner/extract.sql tells who is deleted.
create index if not exists learners_not_deleted on learners (tenant_id)
where case when isfinite(deleted_at) then deleted_at end is null;

-- build_fact_learning_progress reads the skill states that changed since it last looked.
create index if not exists learner_skill_states_updated_at on learner_skill_states (updated_at);
