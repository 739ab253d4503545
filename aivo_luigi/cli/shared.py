"""What several commands do alike."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

_NO_SETTING = "write each setting as key=value, and each section as [section]"
_WHY_UNREADABLE = {
    "MissingSectionHeaderError": "it must begin with a [section]",
    "DuplicateSectionError": "a section is there twice",
    "DuplicateOptionError": "a key is there twice in its section",
    "UnicodeDecodeError": "it must be text in UTF-8",
}


def nothing_has_run(as_json: bool = False) -> bool:
    """Whether the warehouse is empty; then says so. Raises SchemaError for a schema of another version."""
    from aivo_luigi.db import connect_warehouse
    from aivo_luigi.warehouse.migrations import is_empty

    with connect_warehouse("aivo-etl") as warehouse:
        empty = is_empty(warehouse)
    if empty:
        print("[]" if as_json else "The warehouse is empty: nothing has run yet.")
    return empty


def say(error: BaseException, line: str) -> None:
    """What went wrong, in one line on standard error; with ETL_DEBUG after its traceback."""
    from aivo_luigi.errors import debugging, traceback_of

    if debugging():
        print(traceback_of(error), file=sys.stderr)
    print(f"aivo-etl: {line}", file=sys.stderr)


def exit_with(run: Callable[[], int]) -> None:
    """Exits with the code of a run, a code of Luigi's.

    What keeps it from beginning at all is Luigi's scheduling error; anything unforeseen, its unhandled error.
    """
    from luigi.retcodes import retcode

    from aivo_luigi.errors import EtlError, describe

    try:
        code = run()
    except Exception as error:
        say(error, describe(error))
        codes = retcode()
        code = int(codes.scheduling_error if isinstance(error, EtlError) else codes.unhandled_exception)
    click.get_current_context().exit(code)


@contextmanager
def reading_config(code: int) -> Iterator[None]:
    """Exits with the code where luigi.cfg can't be read; says in one line where it is wrong, and no value of it."""
    from configparser import Error

    try:
        yield
    except (Error, UnicodeDecodeError) as error:
        file = getattr(error, "source", "luigi.cfg")
        numbers = [number for number, _ in getattr(error, "errors", ())] or [getattr(error, "lineno", 0)]
        lines = f" (line {', '.join(map(str, numbers))})" if any(numbers) else ""
        why = _WHY_UNREADABLE.get(type(error).__name__, _NO_SETTING)
        say(error, f"{file} can't be read{lines}: {why}")
        raise click.exceptions.Exit(code) from None
