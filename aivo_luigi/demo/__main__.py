"""Look at the demo: starts the embedded PostgreSQL, prints its two URLs and opens psql on one of the databases.

    python -m aivo_luigi.demo [oltp|warehouse] [arguments for psql]

The warehouse is the default. The server lives as long as psql does.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence

from aivo_luigi.demo.server import embedded_urls, psql_path
from aivo_luigi.errors import EtlError


def main(arguments: Sequence[str]) -> int:
    """Run the command with the arguments after its name; its exit code: psql's, 1 without a server, 2 for wrong use."""
    if set(arguments) & {"-h", "--help"}:
        print(__doc__)
        return 0
    named = arguments and not arguments[0].startswith("-")
    database, *others = arguments if named else ["warehouse", *arguments]
    if database not in {"oltp", "warehouse"}:
        print(f"error: the demo has no database {database!r}: it has oltp and warehouse (the default)", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        oltp_url, warehouse_url = embedded_urls()
    except EtlError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"OLTP_DATABASE_URL='{oltp_url}'\nWAREHOUSE_DATABASE_URL='{warehouse_url}'", file=sys.stderr)
    return _psql(oltp_url if database == "oltp" else warehouse_url, others)


def _psql(url: str, arguments: Sequence[str]) -> int:
    """Run the packaged psql to its end; where there is none, wait for Enter or the end of the input."""
    psql = psql_path()
    if not psql.exists():
        print("The package has no psql; the server runs until you press Enter.", file=sys.stderr)
        sys.stdin.readline()
        return 0
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is for psql: it cancels the query
    return subprocess.call([psql, "-d", url, *arguments])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
