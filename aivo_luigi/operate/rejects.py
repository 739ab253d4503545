"""What was rejected, for people and for machines. Payloads are learners' data: only who asks for them sees them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

from aivo_luigi.db import connect_warehouse
from aivo_luigi.tables import WIDE, print_table, terminal_width

Group = dict[str, Any]


def rejected(first: date | None, last: date | None, job: str | None) -> list[Group]:
    """The groups of rejected rows and fields between two days, the largest first."""
    with connect_warehouse("aivo-etl rejects") as warehouse:
        return warehouse.dicts("monitoring/rejected.sql", first_day=first, last_day=last, job=job)


def print_rejects(groups: Sequence[Group], payload: bool, as_json: bool) -> None:
    """Prints the groups, and a few source ids of each."""
    shown = [{key: value for key, value in group.items() if payload or key != "payloads"} for group in groups]
    if as_json:
        print(json.dumps(shown, indent=1, default=str))
        return
    if not shown:
        print("Nothing was rejected.")
        return
    columns = {
        "job": "job_name",
        **({"table": "source_table"} if terminal_width() >= WIDE else {}),
        "field": "field",
        "reason": "reason",
        "records": "records",
    }
    print_table("Rejected", list(columns), [[g[name] or "(whole row)" for name in columns.values()] for g in shown])
    for group in shown:
        _print_samples(group)


def _print_samples(group: Group) -> None:
    first, last = group["first_day"], group["last_day"]
    days = f"{first}" if first == last else f"{first} to {last}"
    print(f"{group['job_name']}, {group['field'] or 'whole row'}, {group['reason']} ({days}), for instance:")
    for number, sample in enumerate(group["samples"]):
        read = f"  {json.dumps(group['payloads'][number])}" if "payloads" in group else ""
        print(f"  {sample or 'a row without id'}{read}")
