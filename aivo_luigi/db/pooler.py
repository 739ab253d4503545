"""A pooler between us and a server must pool sessions: locks, settings and temporary tables belong to a session.

One that pools transactions hands a server to whoever comes next, as soon as a transaction is over: a lock would be held
by nobody in particular. It can't be asked, but it shows.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from psycopg2.extensions import connection as PsycopgConnection  # noqa: N812

from aivo_luigi.errors import ConfigurationError

_TRIES = 3


def require_sessions(first: PsycopgConnection, open_another: Callable[[], PsycopgConnection], what: str) -> None:
    """Raises ConfigurationError where a pooler of transactions, or of statements, stands before the database.

    `first`: an idle connection in autocommit mode. One query where no pooler is; some more, and another connection for
    a moment, where one is: it can't tell the number of the server process that it will use, so that it makes one up.
    """
    if _server(first) == first.info.backend_pid:
        return
    with closing(open_another()) as second:
        second.autocommit = True
        if any(_is_shared(first, second) for _ in range(_TRIES)):
            raise ConfigurationError(
                f"the {what} is reached through a pooler that pools transactions, but locks and settings belong to a "
                "session: set pool_mode = session there, or name the server itself"
            )


def _is_shared(first: PsycopgConnection, second: PsycopgConnection) -> bool:
    """Whether the server of an idle connection serves another one, or was changed for it. In a session neither can be.

    Again and again, since a third party may have come in between.
    """
    server = _server(first)
    return server == _server(second) or server != _server(first)


def _server(connection: PsycopgConnection) -> int:
    """The number of the server process that answers."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        (number,) = cursor.fetchone() or (0,)
    return int(number)
