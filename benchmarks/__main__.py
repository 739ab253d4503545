"""The benchmarks' command line: `python -m benchmarks`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from benchmarks import report
from benchmarks.alarms import KINDS
from benchmarks.servers import servers

Command = Callable[..., Any]


def _on_servers(command: Command) -> Command:
    """The options of a benchmark that say where it makes its databases."""
    for option in (
        click.option("--warehouse-url", help="A PostgreSQL server for the warehouses (default: the source's)."),
        click.option("--source-url", help="A PostgreSQL server for the sources (default: an embedded one)."),
    ):
        command = option(command)
    return command


def _writable(_context: click.Context, _option: click.Parameter, file: Path | None) -> Path | None:
    """Looked at before anything is measured."""
    if file and not os.access(file.absolute().parent, os.W_OK):
        raise click.BadParameter(f"the folder {file.absolute().parent} is not there, or can't be written to")
    return file


_json = click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    callback=_writable,
    help="Write the report there.",
)


def _scale(default: float) -> Command:
    return click.option(
        "--scale",
        default=default,
        show_default=True,
        type=click.FloatRange(min=0.01),
        help="1 is 10,000 sessions a day.",
    )


def _rounds(default: int) -> Command:
    return click.option(
        "--rounds", default=default, show_default=True, type=click.IntRange(min=1), help="Runs of each."
    )


def _number(name: str, default: int, help_text: str, least: int = 1) -> Command:
    return click.option(name, default=default, show_default=True, type=click.IntRange(min=least), help=help_text)


def _show(measured: dict[str, Any], print_report: Callable[[dict[str, Any]], None], json_file: Path | None) -> None:
    report.print_head(measured)
    print_report(measured)
    if json_file:
        report.write_json(measured, json_file)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Measures the pipeline.

    Each benchmark makes databases of its own on a server and drops them at the end. Nobody else should use the machine
    meanwhile.
    """
    # Whoever is told to end ends as with Ctrl-C, and drops its databases first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


@main.command()
@_on_servers
@_json
@_scale(1)
@_rounds(5)
def run(source_url: str | None, warehouse_url: str | None, json_file: Path | None, scale: float, rounds: int) -> None:
    """Measure a day against the floor: the same ten jobs by hand, with psql."""
    from benchmarks.rounds import run as measure

    with servers(source_url, warehouse_url) as (source, warehouse):
        measured = measure(source, warehouse, scale, rounds)
    _show(measured, report.print_run, json_file)


@main.command()
@_on_servers
@_json
@_number("--sessions", 100, "Sessions a day; 20 events each.")
@_number("--days", 365, "Days.")
@click.argument("luigi_options", nargs=-1)
def year(
    source_url: str | None,
    warehouse_url: str | None,
    json_file: Path | None,
    sessions: int,
    days: int,
    luigi_options: tuple[str, ...],
) -> None:
    """Measure many small days, built by one RangeDaily, and how long it takes to find them complete.

    LUIGI_OPTIONS, after --, are handed to Luigi, for instance -- --workers 2.
    """
    from benchmarks.year import year as measure

    with servers(source_url, warehouse_url) as (source, warehouse):
        measured = measure(source, warehouse, sessions, days, luigi_options)
    _show(measured, report.print_year, json_file)


@main.command()
@_on_servers
@_json
@_number("--number", 100_000, "Learners.")
@_number("--changed", 100, "Learners that change between two syncs.")
@_rounds(3)
def learners(
    source_url: str | None, warehouse_url: str | None, json_file: Path | None, number: int, changed: int, rounds: int
) -> None:
    """Measure the first load of many learners, and a sync of which few have changed."""
    from benchmarks.learners import learners as measure

    with servers(source_url, warehouse_url) as (source, warehouse):
        measured = measure(source, warehouse, number, changed, rounds)
    _show(measured, report.print_learners, json_file)


@main.command()
@_on_servers
@_json
@_scale(0.2)
@_number("--days", 300, "Days of history in the warehouse.", least=0)
@_number("--source-days", 0, "Days of history in the source: then also with and without the recommended indexes.", 0)
@click.option(
    "--density", default=0.1, show_default=True, type=click.FloatRange(0.001, 1), help="How much of a day each one has."
)
@_rounds(5)
def history(
    source_url: str | None,
    warehouse_url: str | None,
    json_file: Path | None,
    scale: float,
    days: int,
    source_days: int,
    density: float,
    rounds: int,
) -> None:
    """Measure a new day with and without many days before it. Needs a superuser.

    Full size: --scale 1 --days 1000, some 4 GB.
    """
    from benchmarks.history import history as measure

    with servers(source_url, warehouse_url) as (source, warehouse):
        measured = measure(source, warehouse, scale, days, density, source_days, rounds)
    _show(measured, report.print_history, json_file)


@main.command()
@click.option("--source-url", help="A PostgreSQL server for the warehouse (default: an embedded one).")
@_json
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="Kind of platform (default: all).")
@_number("--histories", 1, "Histories of each kind.")
@click.option("--days", default=1095, show_default=True, type=click.IntRange(200, 1095), help="Days of each history.")
@_number("--seed", 1, "Another number makes other histories.", least=0)
def alarms(
    source_url: str | None, json_file: Path | None, kinds: tuple[str, ...], histories: int, days: int, seed: int
) -> None:
    """Count the false alarms on unusual row counts, the faults that are caught, and what could at best be.

    Synthetic histories of several kinds of platform, with weekends, holidays, vacations, exams, growth, schools that
    join and leave; then the same with half, or twice, the rows of one job or of all on single days. A minute or two.
    """
    from benchmarks.alarms import alarms as measure

    with servers(source_url, None) as (server, _):
        measured = measure(server, kinds or KINDS, histories, days, seed)
    _show(measured, report.print_alarms, json_file)


@main.command()
@_on_servers
@_json
@_scale(1)
@_rounds(5)
@click.argument("revision_a")
@click.argument("revision_b")
def compare(
    source_url: str | None,
    warehouse_url: str | None,
    json_file: Path | None,
    scale: float,
    rounds: int,
    revision_a: str,
    revision_b: str,
) -> None:
    """Compare two commits of the project: a fresh day, a second day, and that one again."""
    from benchmarks.revisions import STAGES
    from benchmarks.revisions import compare as measure

    with servers(source_url, warehouse_url) as (source, warehouse):
        measured = measure(source, warehouse, (revision_a, revision_b), scale, rounds)
    _show(measured, lambda held: report.print_compare(held, [stage for stage, _, _ in STAGES]), json_file)


@main.command()
@_on_servers
@_scale(1)
@click.option("--at-least", default=1.0, show_default=True, help="Leave out statements that took fewer milliseconds.")
@_number("--most", 20, "Statements to show.")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def explain(
    source_url: str | None, warehouse_url: str | None, scale: float, at_least: float, most: int, folder: Path
) -> None:
    """Write the plan of each statement of a fresh day, a second one and that one again into FOLDER; show the slowest.

    Needs a superuser, and auto_explain on the servers.
    """
    from benchmarks.explain import explain as write
    from benchmarks.explain import slowest

    with servers(source_url, warehouse_url) as (source, warehouse):
        write(source, warehouse, scale, at_least, folder)
    report.print_statements(slowest(folder, most))


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
