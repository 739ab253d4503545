-- Dimensions are read by what changed: what such a read needs must not cost the whole dimension.

-- Who points at which version of a tenant, so that a new version moves its own learners and users alone; and how many
-- learners are present, without a look at each.
create index dim_learner_tenant on dim_learner (tenant_key, is_inferred) where is_current;
create index dim_user_tenant on dim_user (tenant_key);

comment on table etl_watermarks is
'How far a source table has been read that is read by what changed: skill states, and dimensions whose source has an '
'index on updated_at. All times are the source''s clock.';
