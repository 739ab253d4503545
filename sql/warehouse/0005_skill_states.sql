-- Learning progress as it was: the source keeps only the present of its skill states, the warehouse their history.

create table learner_skill_history (
    learner_id uuid not null,
    skill_id uuid not null,
    state_id uuid not null,
    tenant_id uuid not null,
    mastery_level numeric,
    is_gone boolean not null,
    held_from timestamptz not null,
    held_to timestamptz not null default 'infinity',
    constraint learner_skill_history_is_not_negative check (held_to >= held_from)
);
create unique index learner_skill_history_one_current on learner_skill_history (learner_id, skill_id)
where held_to = 'infinity';
-- The states of a recent day are a narrow range: those that ended since, and those that hold now.
create index learner_skill_history_held_to on learner_skill_history (held_to);

comment on table learner_skill_history is
'History of learner_skill_states: one row per state that a learner held in a skill, and from when until when.';
comment on column learner_skill_history.learner_id is 'Business key: the learner.';
comment on column learner_skill_history.skill_id is 'Business key: the skill.';
comment on column learner_skill_history.state_id is 'learner_skill_states.id of the source.';
comment on column learner_skill_history.tenant_id is 'Tenant that the source names beside the state.';
comment on column learner_skill_history.mastery_level is 'What the source said, even where it lies outside [0, 1].';
comment on column learner_skill_history.is_gone is 'Whether the source had no such state any more.';
comment on column learner_skill_history.held_from is
'First moment of the state: updated_at of the source, or the source''s clock where that can''t be.';
comment on column learner_skill_history.held_to is 'First moment at which it no longer held; infinity while it does.';

create table etl_watermarks (
    source_table text primary key,
    began_at timestamptz not null,
    read_at timestamptz not null,
    reconciled_at timestamptz not null
);

comment on table etl_watermarks is
'How far a source table has been read that is read by what changed. All times are the source''s clock.';
comment on column etl_watermarks.source_table is 'Table of the source.';
comment on column etl_watermarks.began_at is 'When it was read for the first time.';
comment on column etl_watermarks.read_at is 'When it was read last.';
comment on column etl_watermarks.reconciled_at is 'When it was last read as a whole.';

alter table fact_learning_progress add column is_exact boolean not null default false;

comment on column fact_learning_progress.is_exact is
'Whether the day ended after the history of skill states began; before, only the states'' last change is known.';

-- What a run rejected goes with the run.
alter table etl_rejected_rows drop constraint etl_rejected_rows_run_id_fkey;
alter table etl_rejected_rows add foreign key (run_id) references etl_job_runs on delete cascade;
