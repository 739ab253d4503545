"""Luigi as always, but what the servers say of their plans is written to a folder: `benchmarks explain` starts it.

    python -m benchmarks.explaining FOLDER --module aivo_luigi RunAll …

auto_explain sends each plan as a notice to the session that ran the statement.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import parse_dsn


class _Notices:
    """Takes the place of a connection's list of notices."""

    def __init__(self, connection: Connection, folder: Path) -> None:
        self._connection, self._folder = connection, folder
        self._database = parse_dsn(connection.dsn)["dbname"]

    def append(self, notice: str) -> None:
        if "plan:\n" not in notice:
            return
        application = self._connection.info.parameter_status("application_name") or "session"
        job = application.removeprefix("aivo_luigi ").split()[0]
        with (self._folder / f"{self._database}.{job}.txt").open("a", encoding="utf-8") as file:
            file.write(notice.partition("duration: ")[2].rstrip() + "\n\n")


def main(folder: Path, arguments: list[str]) -> None:
    """Runs Luigi with plans."""
    connect = psycopg2.connect

    def listening(*given: Any, **options: Any) -> Connection:
        connection: Connection = connect(*given, **options)
        connection.notices = _Notices(connection, folder)  # type: ignore[assignment]
        return connection

    psycopg2.connect = listening  # type: ignore[assignment]
    from luigi.cmdline import luigi_run

    luigi_run(arguments)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
