"""Production, all at once: three roles, TLS with verify-full, and PgBouncer in session mode before both databases.

Each of the three has tests of its own (test_roles, test_tls, test_pooler); here they meet, in processes as users start
them.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest
import trustme
from psycopg2.extras import RealDictCursor
from sqlalchemy.engine import make_url
from support.command import aivo_etl
from support.database import Database
from support.databases import Databases
from support.pgbouncer import PgBouncer
from support.pipeline import Pipeline, write_config
from support.process import LIMIT, LUIGI, TERMINATED, Run, held, wait_for
from support.roles import NAMES, PASSWORD, RELATIONS, as_role, drop_roles, fill, grant, make_source, owned
from support.runs import DIMENSIONS, FACTS, everything, runs
from support.server import Server
from support.tls import certificate, named, secure_server, verify_full
from support.world import DAY, World, at, uid

import aivo_luigi
from aivo_luigi.db import forget_connections
from aivo_luigi.jobs.completeness import forget_answers
from aivo_luigi.tasks.retention import let_go
from aivo_luigi.warehouse.migrations import migrate

Through = Callable[..., str]

POOLER, OTHER = "pooler.school.test", "other.school.test"
WATCHER = "watcher"
CONSOLE = f"postgresql://{WATCHER}:{quote(PASSWORD, safe='')}@h/pgbouncer"
RANGE = ("2025-02-01", "2025-02-04")  # a month whose partitions are not there yet; the stop is exclusive

# The roles must come encrypted; the tests' own superuser looks at the databases as it likes.
ACCESS = """
host all postgres 127.0.0.0/8 trust
hostssl all all 127.0.0.0/8 scram-sha-256
"""


class Production(Pipeline):
    """The pipeline of reader and loader through the pooler; `source` and `warehouse` are the superuser's own view."""

    def __init__(self, source: str, warehouse: str, folder: Path, through: Through) -> None:
        super().__init__(Database(source), Database(warehouse), folder)
        self._through = through

    def url(self, database: Database, role: str, **options: str) -> str:
        return self._through(as_role(database.url, role), **options)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "OLTP_DATABASE_URL": self.url(self.source, "reader"),
            "WAREHOUSE_DATABASE_URL": self.url(self.warehouse, "loader"),
        }

    def done(self, *arguments: str, exit_code: int = 0, config: Path | None = None) -> str:
        """What `luigi` says."""
        done = self.luigi(*arguments, **({"config": config} if config else {}))
        assert done.returncode == exit_code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def says(self, *arguments: str, exit_code: int = 0, **variables: str) -> str:
        """What `aivo-etl` says."""
        done = aivo_etl(*arguments, **self.environment, **variables)
        assert (done.returncode, done.stderr) == (exit_code, ""), arguments
        return done.stdout


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server(authority: trustme.CA) -> Iterator[Server]:
    """Its certificate names 127.0.0.1, and not 127.0.0.2, where it listens too."""
    server = secure_server(
        authority, ("127.0.0.1",), ACCESS, {"listen_addresses": "127.0.0.1,127.0.0.2", "log_connections": "on"}
    )
    yield server
    server.stop()


@pytest.fixture(scope="module")
def pooler(server: Server, authority: trustme.CA) -> Iterator[PgBouncer]:
    """Takes clients by TLS alone, looks at the server's certificate, and has a database that is another server's."""
    port = make_url(server.url("postgres")).port
    pooler = PgBouncer(
        server.url("postgres"),
        "session",
        {
            "client_tls_sslmode": "require",
            "client_tls_cert_file": "own.crt",
            "client_tls_key_file": "own.key",
            "server_tls_sslmode": "verify-full",
            "server_tls_ca_file": "authority.crt",
            "stats_users": WATCHER,
        },
        users=dict.fromkeys((*NAMES.values(), WATCHER), PASSWORD),
        aliases={"astray": f"host=127.0.0.2 port={port} dbname=postgres"},
        files={**certificate(authority, POOLER), "authority.crt": authority.cert_pem.bytes()},
    )
    yield pooler
    pooler.stop()


@pytest.fixture(scope="module")
def through(pooler: PgBouncer, authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Through:
    """The URL of a database through the pooler, by its name and with verify-full."""
    options = verify_full(authority, tmp_path_factory.mktemp("authority"))

    def lead(url: str, host: str = POOLER, **changed: str) -> str:
        return named(pooler.url(url), host, **{**options, **changed})

    return lead


@pytest.fixture(scope="module")
def databases(server: Server) -> Iterator[Databases]:
    databases = Databases(server)
    yield databases
    drop_roles(databases, "source", "warehouse")
    databases.close()


@pytest.fixture
def production(server: Server, databases: Databases, through: Through, tmp_path: Path) -> Iterator[Production]:
    """Migrated by the owner, who then runs sql/roles.sql: all of it through the pooler."""

    def migrate_as_owner(url: str) -> None:
        owners = through(url)
        done = aivo_etl("migrate", OLTP_DATABASE_URL=owners, WAREHOUSE_DATABASE_URL=owners)
        assert (done.returncode, done.stderr) == (0, "")

    with (
        owned(databases, "source", make_source) as source,
        owned(databases, "warehouse", migrate_as_owner) as warehouse,
    ):
        grant(server, through(as_role(source, "owner")), "reader")
        grant(server, through(as_role(warehouse, "owner")), "loader", "analyst")
        production = Production(source, warehouse, tmp_path, through)
        yield production
        production.source.close()
        production.warehouse.close()


@pytest.fixture
def direct(
    production: Production, databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Pipeline]:
    """From the same source into a warehouse of its own, as superuser, with neither pooler nor encryption."""
    url = databases.create()
    migrate(url)
    direct = Pipeline(Database(production.source.url), Database(url), tmp_path)
    for name, value in direct.environment.items():
        monkeypatch.setenv(name, f"{value}?sslmode=disable")
    yield direct
    forget_answers()
    forget_connections()
    direct.source.close()
    direct.warehouse.close()
    databases.drop(url)


def built(pipeline: Pipeline, task: Any, **parameters: Any) -> None:
    forget_answers()
    assert pipeline.run(task, **parameters).status.name == "SUCCESS"


def months_since_february() -> str:
    """How many months retention keeps, if January 2025 goes and February stays."""
    today = datetime.now(timezone.utc)
    return str((today.year - 2025) * 12 + today.month - 2)


def change(world: World) -> None:
    """What the source learns late: a session of each month, and the name that the school has had since January."""
    world.session("late", started_at=at("2025-02-03 12:00"))
    world.session("later still", started_at=at("2025-01-15 12:00"))
    world.source.update("tenants", uid("school"), name="new school", updated_at=at("2025-01-20 00:00"))


def test_everything_runs_as_three_roles_with_tls_through_a_pooler_and_gives_what_a_superuser_gets(
    production: Production,
    direct: Pipeline,
    server: Server,
    pooler: PgBouncer,
    retention_option: Callable[[str, str], None],
    tmp_path: Path,
) -> None:
    world = World(production.source)
    fill(world)
    days_are_built(production)
    for day in (DAY, *(at(f"2025-02-0{number}").date() for number in (1, 2, 3))):
        built(direct, aivo_luigi.RunAll, date=day)
    assert everything(production.warehouse) == everything(direct.warehouse)

    change(world)
    late_data_are_found(production)
    built(direct, aivo_luigi.SyncDimensions, date=DAY, force="again")
    built(direct, aivo_luigi.RebuildLateDays, date=at("2025-02-03").date(), look_back_days=20)
    assert everything(production.warehouse) == everything(direct.warehouse)

    every_command_looks(production, tmp_path)
    the_analyst_reads_what_analysts_may(production)

    months = {fact.removeprefix("build_"): months_since_february() for fact in FACTS}
    old_months_go(production, write_config(tmp_path / "luigi.cfg", retention=months))
    for table, number in months.items():
        retention_option(table, number)
    assert {one.what for one in let_go(dry_run=False)} == {"2025-01"}
    assert everything(production.warehouse) == everything(direct.warehouse)

    assert runs(production.warehouse, "FAILED") == []
    nothing_is_locked(production)
    every_session_was_encrypted(server, pooler)


def days_are_built(production: Production) -> None:
    """A day, with one worker; the same by force, with two; and a range."""
    production.done("RunAll", "--date", str(DAY))
    production.done("RunAll", "--date", str(DAY), "--force", "again", "--workers", "2")
    start, stop = RANGE
    production.done("RangeDaily", "--of", "RunAll", "--start", start, "--stop", stop, "--workers", "2")
    # Dimensions are synced once for all these days, and once more by force.
    names = [row["job_name"] for row in runs(production.warehouse)]
    assert {name: names.count(name) for name in names} == dict.fromkeys(DIMENSIONS, 2) | dict.fromkeys(FACTS, 5)
    made = r"select tablename::text from pg_tables where tablename like 'fact\_%\_2025\___'"
    assert len(production.warehouse.column(made)) == 2 * len(FACTS)


def late_data_are_found(production: Production) -> None:
    production.done("SyncDimensions", "--date", str(DAY), "--force")
    production.done("RebuildLateDays", "--date", "2025-02-03", "--look-back-days", "20")
    assert production.warehouse.value("select count(*) from fact_sessions") == 5
    assert production.warehouse.value("select count(*) from dim_tenant where not is_inferred") == 2


def every_command_looks(production: Production, folder: Path) -> None:
    """Side by side: whoever looks disturbs nobody."""
    report = folder / "report.html"
    before = everything(production.warehouse)
    with ThreadPoolExecutor(2) as pool:
        check = pool.submit(production.done, "Check", exit_code=30)
        told = {
            command: pool.submit(production.says, *command.split(), exit_code=1 if command == "check" else 0)
            for command in (
                f"report --output {report} --date 2025-02-03",
                f"compare --start {DAY} --stop 2025-02-04",
                f"plan --date {DAY} --late",
                "check",
                "status",
                "rejects",
            )
        }
    words = {command.split()[0]: future.result() for command, future in told.items()}
    assert "alerts fire" in check.result()
    assert "overdue" in words["check"]
    assert "none differ" in words["compare"]
    assert "complete" in words["plan"]
    assert "focusScore" in words["rejects"]
    assert "build_fact_sessions" in words["status"]
    assert "build_fact_sessions" in report.read_text()
    assert everything(production.warehouse) == before


def the_analyst_reads_what_analysts_may(production: Production) -> None:
    url = production.url(production.warehouse, "analyst")
    for relation in production.warehouse.column(RELATIONS):
        rows(url, f"select * from {relation} limit 1")
    assert rows(url, "select count(*) as number from fact_sessions") == [{"number": 5}]
    for hidden in ("payload from etl_rejected_rows", "* from learner_skill_history"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            rows(url, f"select {hidden}")


def old_months_go(production: Production, config: Path) -> None:
    before = everything(production.warehouse)
    dry = production.says("retention", "--dry-run", LUIGI_CONFIG_PATH=str(config))
    assert dry.count("2025-01") == len(FACTS)
    assert everything(production.warehouse) == before
    assert production.done("Retention", config=config).count("rows went") == len(FACTS)
    assert production.warehouse.value("select min(date_key) from fact_sessions") == 20250203


def every_session_was_encrypted(server: Server, pooler: PgBouncer) -> None:
    """On both legs, by what pooler and server have written of each log-in, and say of the sessions in the pool."""
    roles = "|".join(NAMES[name] for name in ("owner", "reader", "loader", "analyst"))
    for log, line in (
        (pooler.log, rf"login attempt: db=\S+ user=({roles}) (.*)"),
        (server.log, rf"connection authorized: user=({roles}) (.*)"),
    ):
        found = re.findall(line, log)
        assert {role for role, _ in found} == set(NAMES.values())
        assert [rest for _, rest in found if "TLSv1." not in rest] == []


def nothing_is_locked(production: Production) -> None:
    """No advisory lock, no row that says RUNNING, and no session of a run that does anything."""
    for database in (production.source, production.warehouse):
        wait_for(lambda database=database: database.value(_BUSY) == 0, "the end of the sessions", LIMIT)
        assert database.value(_LOCKED) == 0
    assert runs(production.warehouse, "RUNNING") == []


_OURS = "datname = current_database() and pid <> pg_backend_pid()"
_BUSY = f"select count(*) from pg_stat_activity where {_OURS} and state <> 'idle' and backend_type = 'client backend'"
_LOCKED = (
    "select count(*) from pg_locks where locktype = 'advisory'"
    " and database = (select oid from pg_database where datname = current_database())"
)


def rows(url: str, query: str) -> list[dict[str, Any]]:
    """What a query returns. PgBouncer takes no `options`, so that it is no Database."""
    with closing(psycopg2.connect(url, cursor_factory=RealDictCursor)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(query)
        return [dict(row) for row in cursor.fetchall()]


@pytest.fixture
def small(production: Production) -> Production:
    """A row of everything, of which nothing is built."""
    World(production.source).row_of_everything()
    return production


BUILD = [*LUIGI, "BuildFactSessions", "--date", str(DAY)]


def test_of_two_runs_at_once_one_builds_and_all_that_they_say_is_encrypted(small: Production, through: Through) -> None:
    with held(small.source, "sessions"):
        two = [Run(small, BUILD) for _ in range(2)]
        wait_for(lambda: waits_for_the_other(small), "the one that waits for the other")
        encrypted_on_both_legs(small, through(CONSOLE))
    assert [run.started.wait(30) for run in two] == [0, 0], [run.said for run in two]
    built = sorted(row["job_name"] for row in runs(small.warehouse))
    assert built == ["build_fact_sessions", "sync_dim_learner", "sync_dim_tenant"]
    nothing_is_locked(small)


def waits_for_the_other(production: Production) -> bool:
    running = [row["job_name"] for row in runs(production.warehouse, "RUNNING")]
    return running == ["build_fact_sessions"] and production.warehouse.value(f"{_LOCKED} and not granted") == 1


def encrypted_on_both_legs(production: Production, console: str) -> None:
    """What server and pooler say of the sessions of runs that are under way."""
    for shown in ("clients", "servers"):
        logged_in = [row for row in rows(console, f"show {shown}") if row["state"] in ("active", "idle", "used")]
        found = {(row["user"], row["tls"].partition("/")[0]) for row in logged_in}
        assert {(NAMES["reader"], "TLSv1.3"), (NAMES["loader"], "TLSv1.3")} <= found
        assert {tls for _, tls in found} == {"TLSv1.3"}
    encrypted = "select usename::text, ssl from pg_stat_activity inner join pg_stat_ssl using (pid) where"
    for database, role in ((production.source, "reader"), (production.warehouse, "loader")):
        found = {(row["usename"], row["ssl"]) for row in database.rows(f"{encrypted} {_OURS}")}
        assert (NAMES[role], True) in found
        assert not [user for user, ssl in found if user in NAMES.values() and not ssl]


def test_a_run_that_is_terminated_leaves_nothing_locked_behind_the_pooler(small: Production) -> None:
    with held(small.source, "sessions"):
        run = Run(small, BUILD)
        running = "select count(*) from etl_job_runs where job_name = 'build_fact_sessions' and status = 'RUNNING'"
        wait_for(lambda: small.warehouse.value(running) and small.source.value(_BUSY) > 1, "its extract")
        assert run.end(signal.SIGTERM) < LIMIT
        assert run.code == TERMINATED
        assert "Traceback" not in run.said
        (failed,) = runs(small.warehouse, "FAILED")
        assert failed["error_message"] == "terminated: the process was told to stop; run it again"
        assert small.warehouse.value(_LOCKED) == 0
        wait_for(lambda: small.source.value(_BUSY) == 1, "the end of its extract, which still waits", LIMIT)
    nothing_is_locked(small)
    small.done("BuildFactSessions", "--date", str(DAY))


@pytest.mark.parametrize(
    ("side", "role", "database", "options", "words"),
    [
        ("warehouse", "loader", None, {"host": OTHER}, f'match host name "{OTHER}"'),
        ("warehouse", "loader", None, {"sslmode": "disable"}, "SSL required"),
        ("source", "reader", "astray", {}, "timeout expired"),
    ],
    ids=["another pooler", "no encryption", "another server behind the pooler"],
)
def test_what_is_not_what_was_meant_is_refused_in_one_line(
    production: Production, side: str, role: str, database: str | None, options: dict[str, str], words: str
) -> None:
    url = getattr(production, side).url
    if database:
        url = make_url(url).set(database=database).render_as_string(hide_password=False)
    variable = "OLTP_DATABASE_URL" if side == "source" else "WAREHOUSE_DATABASE_URL"
    wrong = production.url(Database(url), role, **options)
    done = production.luigi("SyncDimTenant", "--date", str(DAY), "--etl-connect-timeout", "2", env={variable: wrong})
    assert done.returncode == (30 if side == "source" else 35)
    assert "Traceback" not in done.stderr
    (line,) = {line for line in done.stderr.splitlines() if f"the {side} can't be reached" in line}
    assert words in line
    assert PASSWORD not in done.stdout + done.stderr
    assert runs(production.warehouse) == []
