"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date, timedelta
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

JOBS = (
    "sync_dim_tenant",
    "sync_dim_learner",
    "sync_dim_user",
    "sync_dim_subject",
    "sync_dim_skill",
    "build_fact_sessions",
    "build_fact_focus_events",
    "build_fact_homework_events",
    "build_fact_learning_progress",
    "build_fact_recommendation_events",
)


class Day(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A UTC day: YYYY-MM-DD, yesterday or today."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """The day that the text names."""
        from aivo_luigi.dates import parse_date, yesterday
        from aivo_luigi.errors import DateError

        if isinstance(value, date):
            return value
        if value in ("yesterday", "today"):
            return yesterday() + timedelta(days=value == "today")
        try:
            return parse_date(value)
        except DateError as error:
            self.fail(f"{error}; or yesterday, or today", param, ctx)


def together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator, in the order in which --help shows them."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


date_option = click.option(
    "--date", "day", type=Day(), help="UTC day: YYYY-MM-DD, yesterday or today. Default: yesterday."
)
range_options = together(
    click.option("--start", type=Day(), help="First day of a range."),
    click.option("--stop", type=Day(), help="The day after the last of a range, as in RangeDaily."),
)
job_option = click.option(
    "--job", type=click.Choice(JOBS), metavar="NAME", help="Only this job, for instance build_fact_sessions."
)
json_option = click.option("--json", "as_json", is_flag=True, help="For machines.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Show what would run and why, as plan does; run nothing.")
force_option = click.option(
    "--force",
    is_flag=False,
    flag_value="true",
    default="",
    metavar="[NAME]",
    help="Run although complete; with a NAME, once for that name.",
)
workers_option = click.option(
    "--workers", type=click.IntRange(min=1), help="Processes that run jobs side by side. Default: workers of [core]."
)
settings_options = together(
    click.option("--etl-max-reject-share", metavar="SHARE", help="As in luigi.cfg: rows that may be rejected."),
    click.option("--etl-allow-mass-close", is_flag=True, help="As in luigi.cfg: let a sync close very many members."),
    click.option("--etl-allow-empty-rebuild", is_flag=True, help="As in luigi.cfg: let a rebuild empty a day."),
    click.option("--etl-allow-lagging-source", is_flag=True, help="As in luigi.cfg: build before the source is there."),
)


def apply_settings(given: dict[str, Any]) -> None:
    """Luigi's settings for this process: luigi.cfg, and the options of `settings_options` among those given."""
    from aivo_luigi.operate.settings import use_settings

    named = {name.removeprefix("etl_"): value for name, value in given.items() if name.startswith("etl_")}
    use_settings(**{name: str(value).lower() for name, value in named.items() if value not in (None, False)})


def refuse_day_as_name(force: str, day: date | None) -> None:
    """Raises UsageError for a day as the NAME of --force and none beside it: it would build yesterday."""
    with suppress(click.BadParameter):
        if day is None and Day().convert(force, None, None):
            raise click.UsageError(f"{force} reads as a day, and --force takes a NAME: say --date {force} --force")


def job_task(name: str) -> Any:
    """The Luigi task of a job."""
    from aivo_luigi.tasks.wrappers import DIMENSIONS, FACTS

    return next(job for job in (*DIMENSIONS, *FACTS) if job.job_name() == name)


def days_between(day: date | None, start: date | None, stop: date | None) -> Sequence[date]:
    """The days that --date, or --start and --stop, name; yesterday, if none does."""
    from aivo_luigi.dates import asked_range, date_range
    from aivo_luigi.errors import ConfigurationError

    try:
        return list(date_range(*asked_range(day, start, stop)))
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from None
