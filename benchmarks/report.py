"""What was measured, for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

_TITLES = {
    "fresh": "A fresh day, into an empty warehouse",
    "rerun": "The same day again (--force)",
}
_NAMES = {
    "pipeline": "pipeline, RunAll",
    "pipeline_one_worker": "pipeline, RunAll --workers 1",
    "floor": "floor, ten steps of psql",
}


def write_json(report: dict[str, Any], path: Path) -> None:
    """Writes a report as JSON."""
    path.write_text(json.dumps(report, indent=2, default=str) + "\n", encoding="utf-8")


def print_run(report: dict[str, Any]) -> None:
    """Prints the tables of `run`."""
    print_head(report)
    for stage, title in _TITLES.items():
        print_table(
            f"{title}: each job, one after the other",
            ("job", "rows", "pipeline ms", "with start and commit", "floor ms", "ratio", "rows/s"),
            [
                (job, *(times[key] for key in ("rows", "ms", "step_ms", "floor_ms", "ratio", "rows_per_second")))
                for job, times in report[stage]["jobs"].items()
            ],
        )
        print_table(f"{title}: as a whole", *_whole(report[stage]["whole"]))
    print_table("All is complete already: a RunAll that finds nothing to do", *_whole(report["nothing_to_do"]["whole"]))
    if report["content_differs"]:
        print("The contents DIFFER, so the times say little:", *report["content_differs"], sep="\n  ")
    else:
        print("Pipeline and floor wrote the same rows.")


def print_head(report: dict[str, Any]) -> None:
    """Prints what was measured, and on what."""
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    machine = report["machine"]
    print(
        f"{report['benchmark']}: scale {report.get('scale', 'of its own')}, medians of {report.get('rounds', 1)} rounds"
    )
    print(f"{versions}; {machine['cores']} cores, {machine['memory_gb']} GB, {machine['processor']}\n")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Prints a table; all but the first column are numbers."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    for row in rows:
        table.add_row(*(_text(value) for value in row))
    Console(width=140).print(table)


def _whole(whole: dict[str, Any]) -> tuple[Sequence[str], list[Sequence[Any]]]:
    keys = ("ms", "first_start_to_last_end_ms", "ratio", "peak_mb", "wal_mb", "source_blocks")
    columns = ("", "ms", "first start to last end", "ratio", "peak MB", "WAL MB", "source blocks")
    return columns, [(_NAMES[name], *(times.get(key) for key in keys)) for name, times in whole.items()]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 100 else f"{value:.2f}".removesuffix(".00")
    return f"{value:,}" if isinstance(value, int) else str(value)
