"""What several commands do alike."""

from __future__ import annotations

from collections.abc import Callable

import click


def nothing_has_run(as_json: bool = False) -> bool:
    """Whether the warehouse is empty; then says so. Raises SchemaError for a schema of another version."""
    from aivo_luigi.db import connect_warehouse
    from aivo_luigi.warehouse.migrations import is_empty

    with connect_warehouse("aivo-etl") as warehouse:
        empty = is_empty(warehouse)
    if empty:
        print("[]" if as_json else "The warehouse is empty: nothing has run yet.")
    return empty


def exit_with(run: Callable[[], int]) -> None:
    """Exits with the code of a run, a code of Luigi's.

    What keeps it from beginning at all is Luigi's scheduling error; anything unforeseen, its unhandled error.
    """
    import sys

    from luigi.retcodes import retcode

    from aivo_luigi.errors import EtlError, debugging, describe

    try:
        code = run()
    except Exception as error:
        if debugging():
            raise
        print(f"aivo-etl: {describe(error)}", file=sys.stderr)
        codes = retcode()
        code = int(codes.scheduling_error if isinstance(error, EtlError) else codes.unhandled_exception)
    click.get_current_context().exit(code)
