"""What runs: ten declarations, three wrappers, the rebuild of late days, the check and retention."""

from aivo_luigi.tasks.check import Check
from aivo_luigi.tasks.dimensions import SyncDimLearner, SyncDimSkill, SyncDimSubject, SyncDimTenant, SyncDimUser
from aivo_luigi.tasks.facts import (
    BuildFactFocusEvents,
    BuildFactHomeworkEvents,
    BuildFactLearningProgress,
    BuildFactRecommendationEvents,
    BuildFactSessions,
)
from aivo_luigi.tasks.late import RebuildLateDays
from aivo_luigi.tasks.retention import Retention
from aivo_luigi.tasks.wrappers import BuildFacts, RunAll, SyncDimensions

__all__ = [
    "BuildFactFocusEvents",
    "BuildFactHomeworkEvents",
    "BuildFactLearningProgress",
    "BuildFactRecommendationEvents",
    "BuildFactSessions",
    "BuildFacts",
    "Check",
    "RebuildLateDays",
    "Retention",
    "RunAll",
    "SyncDimLearner",
    "SyncDimSkill",
    "SyncDimSubject",
    "SyncDimTenant",
    "SyncDimUser",
    "SyncDimensions",
]
