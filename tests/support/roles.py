"""The roles of sql/roles.sql on the server under test, and an owner of the tables that is no superuser."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from support.database import Database
from support.databases import Databases
from support.pipeline import REPOSITORY
from support.server import AnyServer
from support.world import World, at

PASSWORD = "least:privilege/of@all"
NAMES = {name: f"aivo_{name}_{os.getpid()}" for name in ("owner", "reader", "loader", "analyst")}

# What an analyst may read: dimensions, facts and views.
RELATIONS = (
    "select relname::text from pg_class where relnamespace = 'public'::regnamespace and not relispartition"
    " and (relkind = 'v' or (relkind in ('r', 'p') and relname ~ '^(dim|fact)_')) order by 1"
)


def as_role(url: str, name: str) -> str:
    """The URL of a database for one of the roles."""
    changed = make_url(url).set(username=NAMES[name], password=PASSWORD)
    return changed.render_as_string(hide_password=False)


def psql(server: AnyServer, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs psql, of the server's own binaries where it has some; skips the test where there is none."""
    binaries: Path | None = getattr(server, "_bin", None)
    program = (binaries and shutil.which("psql", path=str(binaries))) or shutil.which("psql")
    if not program:
        pytest.skip("there is no psql here")
    return subprocess.run(
        [program, "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-d", url, *arguments],
        input="",
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def grant(server: AnyServer, url: str, *roles: str) -> None:
    """Runs sql/roles.sql in a database, as its owner, for some of the roles."""
    variables = [part for role in roles for part in ("-v", f"{role}={NAMES[role]}")]
    done = psql(server, url, *variables, "-f", str(REPOSITORY / "sql" / "roles.sql"))
    assert (done.returncode, done.stderr) == (0, "")


@contextmanager
def owned(databases: Databases, kind: str, prepare: Callable[[str], object]) -> Iterator[str]:
    """A copy of a template that belongs to the owner of the tables, and that `prepare` filled as the owner."""

    def make(plain: str) -> None:
        _give(plain)
        prepare(as_role(plain, "owner"))

    url = databases.create_from(f"owned_{kind}", make)
    _give(url)
    yield url
    databases.drop_soon(url)


def make_source(url: str) -> None:
    """A source with all indexes, and with what is none of the pipeline's business."""
    source = Database(url)
    for name in ("schema.sql", "indexes.sql", "recommended_indexes.sql"):
        source.execute((REPOSITORY / "sql" / "source" / name).read_text())
    source.execute("create table secrets (id integer); alter table learners add full_name text")
    source.close()


def fill(world: World) -> None:
    """Two days in two months, with an unknown learner, a field that can't be read, and more dimension rows than few."""
    world.row_of_everything()
    world.session("later", started_at=at("2025-02-03 09:00"))
    world.session("nobody's", learner="unknown", started_at=at("2025-02-03 10:00"))
    world.event("FOCUS_BREAK_STARTED", session="later", event_time=at("2025-02-03 09:10"), metadata={"focusScore": "x"})
    world.submission("February", session="later", created_at=at("2025-02-03 11:00"))
    for number in range(30):
        world.learner(f"learner {number}")


def _give(url: str) -> None:
    """Makes the roles, and the owner of the tables the database's own."""
    admin = Database(url)
    for name in NAMES.values():
        if not admin.value("select count(*) from pg_roles where rolname = %(name)s", name=name):
            admin.execute(f"create role {name} login password '{PASSWORD}'")
    admin.execute(f"alter database {Databases.name_of(url)} owner to {NAMES['owner']}")
    admin.close()


def drop_roles(databases: Databases, *kinds: str) -> None:
    """Takes the roles away, and the templates that belong to them."""
    for kind in kinds:
        databases.drop_template(f"owned_{kind}")
    admin = Database(databases.server.url("postgres"))
    for name in NAMES.values():
        admin.execute(f"drop role if exists {name}")
    admin.close()
