"""The ten jobs, in the order in which they can run one after the other."""

DIMENSIONS = ("sync_dim_tenant", "sync_dim_learner", "sync_dim_user", "sync_dim_subject", "sync_dim_skill")
FACTS = (
    "build_fact_sessions",
    "build_fact_focus_events",
    "build_fact_homework_events",
    "build_fact_learning_progress",
    "build_fact_recommendation_events",
)
JOBS = (*DIMENSIONS, *FACTS)
