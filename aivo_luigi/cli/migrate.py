"""aivo-etl migrate."""

from __future__ import annotations

import click


@click.command()
@click.option("--dry-run", is_flag=True, help="Show what would be applied; apply nothing.")
def migrate(dry_run: bool) -> None:
    """Make or upgrade the warehouse's schema.

    Safe to run again, and by two at once: all missing migrations are applied in one transaction, or none.

    \b
    Examples:
      aivo-etl migrate --dry-run
      aivo-etl migrate
    """
    from aivo_luigi.config import warehouse_url
    from aivo_luigi.db import connect_warehouse
    from aivo_luigi.warehouse.migrations import migrate as apply
    from aivo_luigi.warehouse.migrations import missing_migrations, refuse_the_sources_place

    with connect_warehouse("aivo-etl migrate") as warehouse:
        refuse_the_sources_place(warehouse)
        names, what = missing_migrations(warehouse), "would be applied"
    if names and not dry_run:
        names, what = apply(warehouse_url()), "applied"
    print(f"{len(names)} migrations {what}: {', '.join(names)}" if names else "The schema is up to date.")
