"""What a run of a job came to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class JobResult:
    """How a job ended. The counts are rows, as in etl_job_runs; duration_ms is in milliseconds.

    `status`: SUCCESS; SKIPPED when the job was complete already, in which case nothing ran and no row was written; or
    FAILED, with the one-line reason in `error_message`.
    """

    job_name: str
    status: str
    rows_processed: int = 0
    rows_inserted: int = 0
    rows_updated: int = 0
    rows_deleted: int = 0
    rows_rejected: int = 0
    duration_ms: int = 0
    error_message: str | None = None

    def summary(self) -> str:
        """The counts and the seconds, in one line."""
        if self.status == "SKIPPED":
            return "complete already"
        return (
            f"{self.rows_processed:,} rows read, {self.rows_inserted:,} inserted, {self.rows_updated:,} updated, "
            f"{self.rows_deleted:,} deleted, {self.rows_rejected:,} rejected in {self.duration_ms / 1000:.2f} s"
        )
