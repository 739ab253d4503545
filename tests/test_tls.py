"""TLS: what sslmode in the two URLs asks for is what is done, on both databases."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from support.database import Database
from support.databases import Databases
from support.pipeline import REPOSITORY, Pipeline
from support.runs import JOBS, runs
from support.server import PASSWORD, PASSWORD_ROLE
from support.tls import named, secure_server, verify_full
from support.world import DAY, World

from aivo_luigi.db import forget_connections
from aivo_luigi.warehouse.migrations import migrate

Url = Callable[..., str]

HOST, OTHER_HOST = "database.school.test", "other.school.test"

# The pipeline's role must come encrypted; the tests' own looks at the databases as it likes.
ACCESS = f"""
host all postgres 127.0.0.1/32 trust
hostssl all {PASSWORD_ROLE} 127.0.0.1/32 scram-sha-256
"""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def secure(authority: trustme.CA) -> Iterator[Databases]:
    """Databases on a server with a certificate for HOST."""
    server = secure_server(authority, (HOST,), ACCESS)
    databases = Databases(server)
    yield databases
    databases.close()
    server.stop()


@pytest.fixture
def encrypted(secure: Databases, tmp_path: Path) -> Iterator[Pipeline]:
    """A source and a warehouse on that server."""
    source, warehouse = secure.create(), secure.create()
    database = Database(source)
    database.execute((REPOSITORY / "sql" / "source" / "schema.sql").read_text())
    migrate(warehouse)
    pipeline = Pipeline(database, Database(warehouse), tmp_path)
    yield pipeline
    forget_connections()
    for used in (pipeline.source, pipeline.warehouse):
        used.close()
        secure.drop(used.url)


def run(pipeline: Pipeline, source: str, warehouse: str, task: str = "RunAll") -> subprocess.CompletedProcess[str]:
    return pipeline.luigi(
        task, "--date", str(DAY), env={"OLTP_DATABASE_URL": source, "WAREHOUSE_DATABASE_URL": warehouse}
    )


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path) -> dict[str, str]:
    return verify_full(authority, tmp_path)


@pytest.fixture
def url(secure: Databases) -> Url:
    """The URL of a database by a host's name, for the role that needs TLS: `url(encrypted.source, HOST, …)`."""

    def by_name(database: Database, host: str, **options: str) -> str:
        return named(str(secure.server.password_url(Databases.name_of(database.url))), host, **options)

    return by_name


def test_the_whole_pipeline_runs_with_verify_full_on_both_databases(
    encrypted: Pipeline, trusted: dict[str, str], url: Url
) -> None:
    World(encrypted.source).row_of_everything()
    done = run(encrypted, url(encrypted.source, HOST, **trusted), url(encrypted.warehouse, HOST, **trusted))
    assert done.returncode == 0, done.stderr
    assert sorted(row["job_name"] for row in runs(encrypted.warehouse)) == sorted(JOBS)


@pytest.mark.parametrize("which", ["source", "warehouse"])
@pytest.mark.parametrize("wrong", ["name", "authority", "no encryption"])
def test_a_server_that_is_not_what_the_url_asks_for_is_refused_in_one_line(
    encrypted: Pipeline, trusted: dict[str, str], url: Url, which: str, wrong: str, tmp_path: Path
) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.crt")
    host, options, words = {
        "name": (OTHER_HOST, trusted, f'match host name "{OTHER_HOST}"'),
        "authority": (HOST, {**trusted, "sslrootcert": str(tmp_path / "other.crt")}, "certificate verify failed"),
        "no encryption": (HOST, {"sslmode": "disable"}, "no encryption"),
    }[wrong]
    urls = {name: url(getattr(encrypted, name), HOST, **trusted) for name in ("source", "warehouse")}
    urls[which] = url(getattr(encrypted, which), host, **options)
    done = run(encrypted, urls["source"], urls["warehouse"], "SyncDimTenant")
    assert done.returncode == (30 if which == "source" else 35)
    assert "Traceback" not in done.stderr
    (line,) = {line for line in done.stderr.splitlines() if f"the {which} can't be reached" in line}
    assert words in line
    variable = "OLTP_DATABASE_URL" if which == "source" else "WAREHOUSE_DATABASE_URL"
    advice = "check" if wrong == "no encryption" else "must name a host that the server's certificate holds"
    assert variable in line
    assert advice in line
    assert PASSWORD not in done.stdout + done.stderr
    assert runs(encrypted.warehouse) == []
