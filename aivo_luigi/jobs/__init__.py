"""What every job does: completeness, lock, run record, transaction; and the Luigi tasks that jobs are."""
