"""The history of learner skill states: the source keeps only the present, so the warehouse keeps what it has seen.

A read takes what changed since the last one. Now and then, and whenever the source holds another number of states than
the history, it takes everything, and what is missing is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from aivo_luigi.config import etl
from aivo_luigi.db import Connection
from aivo_luigi.warehouse.load import guard_mass_close
from aivo_luigi.warehouse.rejects import not_rejected, reject_whole_rows

_EVERYTHING = "-infinity"
_NEVER = datetime.min.replace(tzinfo=timezone.utc)


@dataclass(frozen=True)
class SourceStates:
    """The states in a snapshot of the source.

    `clock`: the source's time of it. `stage`: copies those changed since a moment into the temporary table `stage`,
    and returns how many. `count`: how many there are.
    """

    clock: datetime
    stage: Callable[[str], int]
    count: Callable[[], int]


@dataclass(frozen=True)
class StateHistory:
    """Keeps learner_skill_history. `required`: columns without which a state can't be kept, its id first."""

    source_table: str
    required: Sequence[str]

    def lock(self, warehouse: Connection) -> None:
        """Waits for another read to end; to be called before the snapshot, so that reads are merged in their order."""
        warehouse.file("load/lock_states.sql")

    def merge(self, warehouse: Connection, source: SourceStates, what: str) -> tuple[int, int]:
        """Brings the source's states into the history; returns how many rows were read, and rejected whole.

        Raises GuardError when too many states would be gone, or can't be kept; `what` is the job and day.
        """
        read_at, reconciled_at = self._watermark(warehouse)
        whole = source.clock - reconciled_at >= timedelta(days=etl().reconcile_days)
        changed_since = read_at - timedelta(hours=etl().late_commit_hours) if not whole else None
        read = self._read(warehouse, source, changed_since, what)
        if not whole and _states(warehouse) != source.count():
            whole = True
            warehouse.execute("drop table stage, rejected")
            read = self._read(warehouse, source, None, what)
        changes = warehouse.file(
            "load/states_changes.sql", clock=source.clock, whole=whole, not_rejected=not_rejected("state_id", "held")
        ).fetchone()
        assert changes is not None
        gone, held = changes
        guard_mass_close(what, "learner_skill_history", gone, held)
        warehouse.file("load/states_apply.sql")
        warehouse.file("load/watermark.sql", source_table=self.source_table, clock=source.clock, whole=whole)
        if whole:
            warehouse.execute("analyze learner_skill_history")
        return read

    def _watermark(self, warehouse: Connection) -> tuple[datetime, datetime]:
        row = warehouse.execute(
            "select read_at, reconciled_at from etl_watermarks where source_table = :'source_table'",
            source_table=self.source_table,
        ).fetchone()
        return (row[0], row[1]) if row else (_NEVER, _NEVER)

    def _read(self, warehouse: Connection, source: SourceStates, since: datetime | None, what: str) -> tuple[int, int]:
        rows = source.stage(since.isoformat() if since else _EVERYTHING)
        warehouse.execute("analyze stage")
        known = _states(warehouse) if since else rows
        return rows, reject_whole_rows(warehouse, "stage", self.source_table, self.required, known, what)


def _states(warehouse: Connection) -> int:
    """How many states the history would hold if none of its own were gone."""
    row = warehouse.file("load/states_count.sql").fetchone()
    assert row is not None
    return int(row[0])
