"""Tables of runs, for people at a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

NUMBERS = ("read", "inserted", "updated", "deleted", "rejected")
_UNBROKEN = ("job", "day", "status", "state")
_TO_THE_RIGHT = (*NUMBERS, "seconds", "rows", "records")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Prints a table to standard output; columns of counts and seconds are set to the right.

    Raises BrokenPipeError when nobody reads it.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    class Piped(Console):
        def on_broken_pipe(self) -> None:
            raise

    console = Piped()
    if not console.is_terminal:
        console = Piped(width=160)
    tight = is_narrow(console.width)
    table = Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=not tight,
        padding=(0, 0) if tight else (0, 1),
    )
    for column in columns:
        justify: Any = "right" if column in _TO_THE_RIGHT else "left"
        table.add_column(column, justify=justify, overflow="fold", no_wrap=column in _UNBROKEN)
    for row in rows:
        table.add_row(*(Text(_text(value)) for value in row))
    console.print(table)


def is_narrow(width: int | None = None) -> bool:
    """Whether so many columns, those of the terminal if nothing is said, take short tables only."""
    if width is None:
        from rich.console import Console

        console = Console()
        width = console.width if console.is_terminal else 160
    return width < 120


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def lose_output() -> None:
    """What is still to be written goes nowhere: whoever read standard output has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
