"""aivo-etl retention."""

from __future__ import annotations

import sys

import click

from aivo_luigi.cli.options import apply_settings, json_option
from aivo_luigi.cli.shared import nothing_has_run


@click.command()
@click.option("--dry-run", is_flag=True, help="Show what would go; change nothing.")
@json_option
def retention(dry_run: bool, as_json: bool) -> None:
    """Let go of what is older than section [retention] of luigi.cfg says: whole months of facts, and old rows.

    Asks nothing: look with --dry-run first. Safe to interrupt and to run again.

    \b
    Examples:
      aivo-etl retention --dry-run
      aivo-etl retention
    """
    apply_settings({})
    from aivo_luigi.operate.retention import print_expired
    from aivo_luigi.tasks.retention import let_go

    if nothing_has_run(as_json):
        return
    expired = []
    try:
        for one in let_go(dry_run):
            expired.append(one)
    finally:
        # What went before an error, or Ctrl-C, is told, too.
        if expired or sys.exc_info()[0] is None:
            print_expired(expired, dry_run, as_json)
