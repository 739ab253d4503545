"""The benchmarks' command line: `python -m benchmarks`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from benchmarks.report import print_run, write_json
from benchmarks.servers import servers

Command = Callable[..., Any]


def _options(command: Command) -> Command:
    """The options that every benchmark has."""
    for option in (
        click.option(
            "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the report there."
        ),
        click.option("--warehouse-url", help="A PostgreSQL server for the warehouses (default: the source's)."),
        click.option("--source-url", help="A PostgreSQL server for the sources (default: an embedded one)."),
    ):
        command = option(command)
    return command


_scale = click.option("--scale", default=1.0, show_default=True, type=click.FloatRange(min=0.01), help="Size of a day.")
_rounds = click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=1), help="Runs of each.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Measures the pipeline.

    Each benchmark makes databases of its own on a server and drops them at the end. Nobody else should use the machine
    meanwhile.
    """


@main.command()
@_options
@_scale
@_rounds
def run(source_url: str | None, warehouse_url: str | None, json_file: Path | None, scale: float, rounds: int) -> None:
    """Measure a day against the floor: the same ten jobs by hand, with psql."""
    from benchmarks.rounds import run as measure

    with servers(source_url, warehouse_url) as (source, warehouse):
        report = measure(source, warehouse, scale, rounds)
    print_run(report)
    if json_file:
        write_json(report, json_file)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
