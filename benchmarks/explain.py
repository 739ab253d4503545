"""`explain`: the plan of every statement on the pipeline's way, as it was carried out."""

from __future__ import annotations

import re
import sys
from datetime import date
from pathlib import Path

import click
import psycopg2

from benchmarks.databases import Databases, databases
from benchmarks.measure import run_process
from benchmarks.pipeline import environment
from benchmarks.servers import Server

# Stage, day, and Luigi's options: the second day syncs the dimensions too, as every night does.
STAGES: tuple[tuple[str, date, tuple[str, ...]], ...] = (
    ("fresh", date(2025, 1, 14), ()),
    ("second", date(2025, 1, 15), ("--force",)),
    ("rerun", date(2025, 1, 15), ("--force",)),
)
# A string of several statements is told as a whole with each of its plans, so the plan's first line says which it is.
_STATEMENT = re.compile(r"^([\d.]+) ms  plan:\nQuery Text: (.+?)\n(\S[^\n]*?)  \(cost=", re.MULTILINE | re.DOTALL)
_BEGINNING = 60  # characters
_SETTINGS = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_level": "notice",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_triggers": "on",
    "auto_explain.log_settings": "on",
}


def explain(source_server: Server, warehouse_server: Server, scale: float, at_least_ms: float, folder: Path) -> None:
    """Builds a fresh day, a second one and that one again, and writes the plans: a file per database and job.

    In between the warehouse is vacuumed and analysed, as the server itself would do it soon.
    """
    with databases(source_server) as sources, databases(warehouse_server) as warehouses:
        source, warehouse = sources.source(scale), warehouses.warehouse()
        _explain_all(sources, source, at_least_ms)
        _explain_all(warehouses, warehouse, at_least_ms)
        urls = source_server.url(source), warehouse_server.url(warehouse)
        for stage, day, options in STAGES:
            warehouses.settle(warehouse)
            made = folder / stage
            made.mkdir(parents=True, exist_ok=True)
            for stale in made.glob("*.txt"):
                stale.unlink()
            arguments = ["--module", "aivo_luigi", "RunAll", "--date", str(day), "--workers", "1", *options]
            run_process(
                [sys.executable, "-m", "benchmarks.explaining", str(made.resolve()), *arguments], environment(*urls)
            )
            for file in made.glob("*.txt"):
                database, _, job = file.name.partition(".")
                file.rename(made / f"{job.removesuffix('.txt')}.{'source' if database == source else 'warehouse'}.txt")


def slowest(folder: Path, most: int) -> list[tuple[str, float, str]]:
    """The statements that took longest: file, milliseconds, and the top of the plan with the statement's beginning."""
    found = [
        (str(file.relative_to(folder)), float(ms), f"{plan}: {' '.join(text.split())[:_BEGINNING]}")
        for file in folder.glob("*/*.txt")
        for ms, text, plan in _STATEMENT.findall(file.read_text(encoding="utf-8"))
    ]
    return sorted(found, key=lambda statement: -statement[1])[:most]


def _explain_all(made: Databases, name: str, at_least_ms: float) -> None:
    """Lets each session of a database tell the plans of what it runs."""
    settings = {**_SETTINGS, "auto_explain.log_min_duration": f"{at_least_ms:g}ms"}
    try:
        made.server.execute("load 'auto_explain'")
        for setting, value in settings.items():
            made.server.execute(f"alter database {name} set {setting} = '{value}'")
    except psycopg2.Error as error:
        raise click.ClickException(
            f"no plans: the server must have auto_explain, and the role must be a superuser ({str(error).strip()})"
        ) from None
