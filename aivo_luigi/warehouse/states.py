"""The history of learner skill states: the source keeps only the present, so the warehouse keeps what it has seen.

A read takes what changed since the last one. Now and then, and whenever the source holds another number of states than
the history, it takes everything, and what is missing is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from aivo_luigi.config import settings
from aivo_luigi.db import Connection
from aivo_luigi.warehouse.changes import SourceRows, changed_since, move_watermark
from aivo_luigi.warehouse.load import guard_mass_close
from aivo_luigi.warehouse.rejects import not_rejected, reject_whole_rows


@dataclass(frozen=True)
class StateHistory:
    """Keeps learner_skill_history. `required`: columns without which a state can't be kept, its id first."""

    source_table: str
    required: Sequence[str]

    def lock(self, warehouse: Connection) -> None:
        """Waits for another read to end; to be called before the snapshot, so that reads are merged in their order."""
        warehouse.file("load/lock_states.sql")

    def merge(self, warehouse: Connection, source: SourceRows, what: str) -> tuple[int, int]:
        """Brings the source's states into the history; returns how many rows were read, and rejected whole.

        Raises GuardError when too many states would be gone, or can't be kept; `what` is the job and day.
        """
        since = changed_since(warehouse, self.source_table, source, timedelta(days=settings().reconcile_days))
        whole = since is None
        read = self._read(warehouse, source, since, what)
        if not whole and not source.are_as_many_as(lambda: _states(warehouse)):
            whole = True
            warehouse.execute("drop table stage; delete from rejected")
            read = self._read(warehouse, source, None, what)
        changes = warehouse.file(
            "load/states_changes.sql", clock=source.clock, whole=whole, not_rejected=not_rejected("state_id", "held")
        ).fetchone()
        assert changes is not None
        gone, held = changes
        guard_mass_close(what, "learner_skill_history", gone, lambda: int(held))
        warehouse.file("load/states_apply.sql")
        move_watermark(warehouse, self.source_table, source.clock, whole)
        if whole:
            warehouse.execute("select etl_analyze('learner_skill_history')")
        return read

    def _read(self, warehouse: Connection, source: SourceRows, since: datetime | None, what: str) -> tuple[int, int]:
        rows = source.stage(since)
        known = _states(warehouse) if since else rows
        return rows, reject_whole_rows(warehouse, "stage", self.source_table, self.required, known, what)


def _states(warehouse: Connection) -> int:
    """How many states the history would hold if none of its own were gone."""
    row = warehouse.file("load/states_count.sql").fetchone()
    assert row is not None
    return int(row[0])
