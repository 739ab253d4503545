"""aivo-etl run, sync-dimensions, build-facts, run-job and late: Luigi's own tasks, watched."""

from __future__ import annotations

from datetime import date
from typing import Any

import click

from aivo_luigi.cli.options import (
    JOBS,
    apply_settings,
    date_option,
    dry_run_option,
    force_option,
    job_task,
    refuse_day_as_name,
    settings_options,
    together,
    workers_option,
)
from aivo_luigi.cli.shared import exit_with, nothing_has_run

_run_options = together(date_option, force_option, workers_option, dry_run_option, settings_options)


@click.command()
@_run_options
def run(**given: Any) -> None:
    """Run the whole pipeline for a day: all dimensions, all facts.

    \b
    Examples:
      aivo-etl run                            yesterday (UTC)
      aivo-etl run --date 2025-01-15 --force  a day again
      aivo-etl run --date today --workers 1
    """
    from aivo_luigi.tasks import RunAll

    _run(RunAll, given)


@click.command("sync-dimensions")
@_run_options
def sync_dimensions(**given: Any) -> None:
    """Sync the five dimensions. The short name: dimensions.

    \b
    Examples:
      aivo-etl sync-dimensions
      aivo-etl dimensions --force             now, although complete
    """
    from aivo_luigi.tasks import SyncDimensions

    _run(SyncDimensions, given)


@click.command("build-facts")
@_run_options
def build_facts(**given: Any) -> None:
    """Build the five facts of a day, and the dimensions that they need. The short name: facts.

    \b
    Examples:
      aivo-etl build-facts --date 2025-01-15
      aivo-etl facts --date 2025-01-15 --force after-the-fix
    """
    from aivo_luigi.tasks import BuildFacts

    _run(BuildFacts, given)


@click.command("run-job")
@click.option("--job", required=True, type=click.Choice(JOBS), metavar="NAME", help="The job's name.")
@_run_options
def run_job(job: str, **given: Any) -> None:
    """Run one job for a day, and what it needs first. --force forces this job alone.

    \b
    Example:
      aivo-etl run-job --job build_fact_sessions --date 2025-01-15
    """
    _run(job_task(job), given)


@click.command()
@date_option
@click.option("--look-back-days", type=click.IntRange(min=1), help="Days to look at. Default: look_back_days of [etl].")
@workers_option
@dry_run_option
@settings_options
def late(day: date | None, look_back_days: int | None, workers: int | None, dry_run: bool, **given: Any) -> None:
    """Build the days again whose source rows changed after they were read, --date being the newest to look at.

    \b
    Examples:
      aivo-etl late                           yesterday and the days before it
      aivo-etl late --look-back-days 30 --dry-run
    """
    apply_settings(given)
    from aivo_luigi.operate.late import late_steps
    from aivo_luigi.operate.print_plan import print_plan
    from aivo_luigi.operate.run import own_log
    from aivo_luigi.operate.watched import run_watched
    from aivo_luigi.tasks import RebuildLateDays

    task = RebuildLateDays(date=day, look_back_days=look_back_days)
    if dry_run:
        if not nothing_has_run():
            with own_log(print):
                steps = late_steps(task)
            print_plan(steps, as_json=False)
    else:
        exit_with(lambda: run_watched([task], workers))


def _run(task_class: Any, given: dict[str, Any]) -> None:
    refuse_day_as_name(given["force"], given["day"])
    apply_settings(given)
    from aivo_luigi.operate.watched import run_watched

    tasks = [task_class(date=given["day"], force=given["force"])]
    if given["dry_run"]:
        from aivo_luigi.operate.plan import plan
        from aivo_luigi.operate.print_plan import print_plan

        print_plan(plan(tasks), as_json=False)
    else:
        exit_with(lambda: run_watched(tasks, given["workers"]))
