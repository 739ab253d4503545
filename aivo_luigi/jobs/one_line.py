"""What every task has in common: what it says when it fails."""

from __future__ import annotations

from aivo_luigi.errors import describe, mask_ids


class OneLineFailure:
    """A task whose failure is one line."""

    def on_failure(self, exception: BaseException) -> str:
        """The reason in one line, without ids of rows: for the visualiser and Luigi's mail."""
        return mask_ids(describe(exception))
