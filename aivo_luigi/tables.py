"""Tables of runs, for people at a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

NUMBERS = ("read", "inserted", "updated", "deleted", "rejected")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Prints a table to standard output; columns of counts and seconds are set to the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in (*NUMBERS, "seconds") else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_text(value)) for value in row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    console.print(table)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
