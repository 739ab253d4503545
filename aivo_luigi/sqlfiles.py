"""SQL files and the psql variables in them.

A file can be pasted into psql as it stands: `:'name'` is a quoted value, `:"name"` an identifier and `:name` an
integer or a list of identifiers. Here the same variables are filled in by psycopg2's own quoting.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection as PsycopgConnection  # noqa: N812

_VARIABLE = re.compile(r"""(?<![:\w]):(?:'(?P<value>[a-z_]+)'|"(?P<identifier>[a-z_]+)"|(?P<plain>[a-z_]+))""")


@cache
def read(name: str) -> str:
    """The text of a file below sql/, for instance "jobs/sync_dim_user/load.sql"; FileNotFoundError if there is none."""
    return files("aivo_luigi").joinpath("sql", *name.split("/")).read_text(encoding="utf-8")


@cache
def exists(name: str) -> bool:
    """Whether there is such a file below sql/."""
    return files("aivo_luigi").joinpath("sql", *name.split("/")).is_file()


def names(folder: str, suffix: str = ".sql") -> list[str]:
    """The names of the files in a folder below sql/, sorted."""
    entries = files("aivo_luigi").joinpath("sql", *folder.split("/")).iterdir()
    return sorted(entry.name for entry in entries if entry.name.endswith(suffix))


def render(text: str, connection: PsycopgConnection, **variables: Any) -> str:
    """The statement with its psql variables filled in; KeyError for one that has no value."""
    return "".join(part if isinstance(part, str) else _fill(part, connection, variables) for part in _parts(text))


def as_array(words: Iterable[object]) -> str:
    """The text of a PostgreSQL array of plain words, numbers or dates."""
    return "{" + ",".join(map(str, words)) + "}"


def identifiers(names: Sequence[str], qualifier: str | None = None) -> sql.Composed:
    """A comma-separated list of (qualified) column names, as the value of a plain variable."""
    return sql.SQL(", ").join(sql.Identifier(*([qualifier] if qualifier else []), name) for name in names)


def columns_differ(names: Sequence[str], left: str, right: str) -> sql.Composed:
    """A condition: at least one of the columns differs between the two rows, NULL being a value like any other."""
    return sql.SQL("row({}) is distinct from row({})").format(identifiers(names, left), identifiers(names, right))


def columns_equal(names: Sequence[str], left: str, right: str) -> sql.Composed:
    """A condition: all of the columns, none of them NULL, are equal in the two rows."""
    pairs = (sql.SQL("{} = {}").format(sql.Identifier(left, name), sql.Identifier(right, name)) for name in names)
    return sql.SQL(" and ").join(pairs)


def _fill(found: re.Match[str], connection: PsycopgConnection, variables: dict[str, Any]) -> str:
    if name := found["value"]:
        return sql.Literal(variables[name]).as_string(connection)
    if name := found["identifier"]:
        return sql.Identifier(variables[name]).as_string(connection)
    value = variables[found["plain"]]
    if isinstance(value, sql.Composable):
        return value.as_string(connection)
    if isinstance(value, int):
        return str(int(value))
    raise TypeError(f":{found['plain']} takes an integer or identifiers, not {type(value).__name__}")


@lru_cache(maxsize=512)
def _parts(text: str) -> list[str | re.Match[str]]:
    """The statement taken apart at its variables. Whole-line comments may mention some; they are no part of it."""
    bare = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
    parts: list[str | re.Match[str]] = []
    end = 0
    for found in _VARIABLE.finditer(bare):
        parts += [bare[end : found.start()], found]
        end = found.end()
    return [*parts, bare[end:]]
