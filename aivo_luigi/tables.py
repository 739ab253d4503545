"""Tables of runs, for people at a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

NUMBERS = ("read", "inserted", "updated", "deleted", "rejected")
_TO_THE_RIGHT = (*NUMBERS, "seconds", "rows", "records")
_LONGEST_WORD = 32  # build_fact_recommendation_events
_OF_A_FILE = 160

NARROW, WIDE, SPACIOUS = 76, 118, 140
"""Columns of a terminal: below NARROW only the most needed fits, from WIDE on every count, from SPACIOUS on blanks."""


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

    console = Piped(width=terminal_width())
    tight = console.width < SPACIOUS
    table = Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=not tight,
        padding=(0, 0) if tight else (0, 1),
    )
    texts = [[_text(value) for value in row] for row in rows]
    for number, column in enumerate(columns):
        justify: Any = "right" if column in _TO_THE_RIGHT else "left"
        unbroken = all(_is_word(text) for text in (column, *(row[number] for row in texts)))
        # A number that is cut off would be another one: … says that it is.
        table.add_column(column, justify=justify, overflow="ellipsis" if unbroken else "fold", no_wrap=unbroken)
    for row in texts:
        table.add_row(*map(Text, row))
    console.print(table)


def terminal_width() -> int:
    """Columns of the terminal; a file or a pipe takes wide lines."""
    from rich.console import Console

    console = Console()
    return console.width if console.is_terminal else _OF_A_FILE


def _is_word(text: str) -> bool:
    """Whether a column of such texts gains nothing where it is narrowed; ids are too long to keep them whole."""
    return " " not in text and len(text) <= _LONGEST_WORD


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


@contextmanager
def read_or_lost() -> Iterator[None]:
    """What is written here is lost when nobody reads it any more; what writes goes on."""
    try:
        yield
    except BrokenPipeError:
        lose_output()


def lose_output() -> None:
    """What is still to be written goes nowhere: whoever read standard output has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
