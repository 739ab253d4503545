"""aivo-etl migrate."""

from __future__ import annotations

import click


@click.command()
def migrate() -> None:
    """Make or upgrade the warehouse's schema.

    Safe to run again, and by two at once: all missing migrations are applied in one transaction, or none.
    """
    from aivo_luigi.config import database_urls
    from aivo_luigi.warehouse.migrations import migrate as apply

    applied = apply(database_urls().warehouse)
    print(f"{len(applied)} migrations applied: {', '.join(applied)}" if applied else "The schema is up to date.")
