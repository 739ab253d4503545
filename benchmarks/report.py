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
_BUSY = 0.5  # load; a benchmark wants the machine for itself
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
    _print_contents(report, "Pipeline and floor")


def print_year(report: dict[str, Any]) -> None:
    """Prints the table of `year`."""
    keys = ("ms", "ms_per_day", "peak_mb", "wal_mb", "source_blocks")
    print_table(
        f"{report['settings']['days']} days of {report['settings']['sessions']} sessions, one RangeDaily",
        ("", "seconds", "ms a day", "peak MB", "WAL MB", "source blocks"),
        [
            (what, report[name]["ms"] / 1000, *(report[name][key] for key in keys[1:]))
            for what, name in (("all days built", "build"), ("found complete again", "find_complete"))
        ],
    )


def print_learners(report: dict[str, Any]) -> None:
    """Prints the table of `learners`."""
    keys = ("ms", "floor_ms", "ratio", "empty_ms", "ratio_to_empty", "process_ms", "peak_mb")
    settings = report["settings"]
    print_table(
        f"sync_dim_learner, {settings['number']:,} learners, {settings['changed']:,} changed between syncs",
        ("", "ms", "floor ms", "ratio", "empty table ms", "ratio to empty", "process ms", "peak MB"),
        [(what, *(times[key] for key in keys)) for what, times in report["syncs"].items()],
    )
    _print_contents(report, "Pipeline and floor")


def print_history(report: dict[str, Any]) -> None:
    """Prints the table of `history`: each job in milliseconds, and how much longer it takes than without history."""
    names = list(report["whole"])
    columns = ["job"]
    for name in names:
        columns += [f"{name}: ms", "ratio"] if name != names[0] else [f"{name}: ms"]
    lines = {**report["jobs"], "first start to last end": report["whole"]}
    print_table(
        "A new day, all dimensions synced; ratio to the one without history",
        columns,
        [
            (line, times[names[0]]["ms"], *(times[name][key] for name in names[1:] for key in ("ms", "ratio")))
            for line, times in lines.items()
        ],
    )
    print("Rows of facts before: " + ", ".join(f"{name} {rows:,}" for name, rows in report["rows"].items()))


def print_compare(report: dict[str, Any], stages: list[str]) -> None:
    """Prints the tables of `compare`."""
    for stage in stages:
        print_table(
            f"A {stage}" if stage != "re-run" else "That day again",
            ("", "A ms", "B ms", "B / A", "lowest", "highest"),
            [(line, *times.values()) for line, times in report[stage].items()],
        )
    _print_contents(report, "A and B")


def print_alarms(report: dict[str, Any]) -> None:
    """Prints the tables of `alarms`, by kind and by job; those by both are in the JSON."""
    figures = report["figures"]
    kinds = [(row["kind"] or "all", row) for row in figures if not row["job_name"]]
    jobs = [
        (row["job_name"].removeprefix("build_fact_"), row) for row in figures if row["job_name"] and not row["kind"]
    ]
    _print_false_alarms([*kinds, *jobs])
    _print_caught([*kinds, *jobs])
    _print_ceilings([*kinds, *jobs])
    print("Kinds: without learning progress. Ordinary days: no school had a holiday in the week before.")


def _print_false_alarms(rows: Sequence[tuple[str, dict[str, Any]]]) -> None:
    print_table(
        "False alarms, in % of the job-days that are judged, and those days in % of all",
        ("", "job-days", "too early", "judged", "could be", "false alarms", "on days not judged", "share"),
        [
            (
                name,
                *(row["job_days"], row["early_days"], _percent(row["judged_share"]), _percent(row["judgeable_share"])),
                *(row["false_alarms"] + row["unjudged_alarms"], row["unjudged_alarms"]),
                _percent(row["false_alarm_share"]),
            )
            for name, row in rows
        ],
    )


def _print_caught(rows: Sequence[tuple[str, dict[str, Any]]]) -> None:
    names = ("one_halved", "all_halved_ordinary", "all_halved", "one_doubled")
    print_table(
        "Faults caught, in % of those on days that are judged (in brackets: of how many)",
        ("", "one halved", "all halved, ordinary day", "all halved", "one doubled"),
        [(name, *(_caught(row, fault) for fault in names)) for name, row in rows],
    )


def _print_ceilings(rows: Sequence[tuple[str, dict[str, Any]]]) -> None:
    print_table(
        "Halvings caught on any day, judged or not, and those that could at best be caught at 1 % false alarms",
        ("", "one halved", "at best", "all halved", "at best"),
        [
            (
                name,
                *(_caught(row, "one_halved_any_day"), _percent(row["one_halved_ceiling"])),
                *(_caught(row, "all_halved_any_day"), _percent(row["all_halved_ceiling"])),
            )
            for name, row in rows
        ],
    )


def _caught(row: dict[str, Any], fault: str) -> str:
    return f"{_percent(row[f'{fault}_share']) or 'none'} ({row[fault]})"


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share:.2%}" if share < 0.1 else f"{share:.1%}"


def print_statements(statements: Iterable[tuple[str, float, str]]) -> None:
    """Prints what `explain` found slow."""
    for file, ms, beginning in statements:
        print(f"{ms:8.1f} ms  {file:<54} {beginning}")


def _print_contents(report: dict[str, Any], who: str) -> None:
    if report["content_differs"]:
        print("The contents DIFFER, so the times say little:", *report["content_differs"], sep="\n  ")
    else:
        print(f"{who} wrote the same rows.")


def print_head(report: dict[str, Any]) -> None:
    """Prints what was measured, and on what."""
    machine = report["machine"]
    print(report["benchmark"] + ": " + _named(report["settings"]))
    print(_named(report["versions"]))
    print(
        f"{machine['cores']} cores, {machine['memory_gb']} GB, {machine['processor']}; "
        f"load at the start {machine['load']}\n"
    )
    if machine["load"] > _BUSY:
        print("The machine was busy at the start: believe the ratios at most.\n")


def _named(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items() if value != "")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Prints a table; all but the first column are numbers."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    for row in rows:
        table.add_row(*(_text(value) for value in row))
    Console(width=140).print(table)


def _whole(whole: dict[str, Any]) -> tuple[Sequence[str], list[Sequence[Any]]]:
    keys = (
        *("ms", "first_start_to_last_end_ms", "ratio", "cpu_ms", "server_cpu_ms", "cpu_ratio"),
        *("peak_mb", "wal_mb", "source_blocks"),
    )
    columns = (
        *("", "ms", "first start to last end", "ratio", "CPU ms", "servers' CPU ms", "ratio"),
        *("peak MB", "WAL MB", "source blocks"),
    )
    return columns, [(_NAMES[name], *(times.get(key) for key in keys)) for name, times in whole.items()]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 100 else f"{value:.2f}".removesuffix(".00")
    return f"{value:,}" if isinstance(value, int) else str(value)
