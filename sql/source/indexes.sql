-- The indexes that a source has by itself, for its own application. The primary keys and the unique
-- (learner_id, skill_id) of learner_skill_states are in schema.sql.
-- Grain:      none; it makes indexes.
-- Parameters: none. Safe to run again.

create index if not exists sessions_by_learner on sessions (tenant_id, learner_id, started_at);

create index if not exists sessions_by_type on sessions (tenant_id, session_type, started_at);

create index if not exists sessions_by_origin on sessions (tenant_id, origin, started_at);

create index if not exists session_events_by_session on session_events (session_id, event_time);

create index if not exists session_events_by_tenant on session_events (tenant_id, event_type, event_time);

create index if not exists session_events_by_type on session_events (event_type);

create index if not exists session_events_by_learner on session_events (learner_id, event_type, event_time);

create index if not exists homework_submissions_by_learner on homework_submissions (tenant_id, learner_id);

create index if not exists homework_submissions_by_session on homework_submissions (session_id);

create index if not exists homework_submissions_by_status on homework_submissions (status);

create index if not exists homework_steps_by_submission on homework_steps (submission_id);

create index if not exists homework_step_responses_by_step on homework_step_responses (step_id);
