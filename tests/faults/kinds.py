"""The faults. Each is a generator: up to its first yield what must be so before the run begins, then what strikes it
in the middle, and after the second yield, when the run has ended, what puts the world right again."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
from sqlalchemy.engine import make_url
from support.database import Database
from support.proxy import Proxy
from support.world import World, at

from faults.servers import BreakableServer, Replica, SmallDisk, may_mount, terminate_sessions

if TYPE_CHECKING:
    from support.zygote import Run

# Not its variant for threads, whose lock is never let go of in a process that was forked at the wrong moment.
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")

_TABLES = ["dim_tenant", "dim_learner", "dim_user", "fact_sessions", "fact_learning_progress", "etl_job_runs"]


@dataclass
class Scene:
    """What a fault may play with. `run` is there once the run has begun; what changes its URLs comes before."""

    chance: random.Random
    primary: BreakableServer
    replica: Replica
    keeper: BreakableServer
    disk: SmallDisk | None
    source_url: str
    warehouse_url: str
    environment: dict[str, str] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    runs_at_once: int = 1
    own_source: bool = False
    of_its_own: bool = False

    def __post_init__(self) -> None:
        self.source, self.warehouse = Database(self.source_url), Database(self.warehouse_url)
        for database in (self.source, self.warehouse):
            database.value("select 1")  # connected, whatever comes
        self.environment |= {"OLTP_DATABASE_URL": self.source_url, "WAREHOUSE_DATABASE_URL": self.warehouse_url}

    def side(self) -> tuple[str, BreakableServer, Database]:
        """One of the two: its variable, its server, and the database as we see it."""
        if self.chance.random() < 0.5:
            return "OLTP_DATABASE_URL", self.primary, self.source
        return "WAREHOUSE_DATABASE_URL", self.keeper, self.warehouse

    def proxy(self) -> Proxy:
        """Between the run and one of its databases."""
        variable, server, database = self.side()
        proxy = Proxy(server.port)
        self.environment[variable] = make_url(database.url).set(port=proxy.port).render_as_string(hide_password=False)
        return proxy

    def close(self) -> None:
        self.source.close()
        self.warehouse.close()


Kind = Callable[[Scene], Iterator[None]]


def sigkill(scene: Scene) -> Iterator[None]:
    yield
    scene.runs[0].kill(signal.SIGKILL, group=scene.chance.random() < 0.5)
    yield


def sigterm(scene: Scene) -> Iterator[None]:
    yield
    scene.runs[0].kill(signal.SIGTERM, group=scene.chance.random() < 0.3)
    yield


def source_sessions_ended(scene: Scene) -> Iterator[None]:
    yield
    terminate_sessions(scene.source)
    yield


def warehouse_sessions_ended(scene: Scene) -> Iterator[None]:
    yield
    terminate_sessions(scene.warehouse)
    yield


def source_restarted(scene: Scene) -> Iterator[None]:
    return _restarted(scene, scene.primary)


def warehouse_restarted(scene: Scene) -> Iterator[None]:
    return _restarted(scene, scene.keeper)


def _restarted(scene: Scene, server: BreakableServer) -> Iterator[None]:
    yield
    scene.close()
    server.stop_at_once()
    time.sleep(scene.chance.choice([0.0, 0.2, 1.0, 7.0]))
    server.start_again()
    yield


def network_stalls(scene: Scene) -> Iterator[None]:
    proxy = scene.proxy()
    yield
    proxy.stall()
    if scene.chance.random() < 0.5:
        time.sleep(scene.chance.uniform(0.1, 2))
        proxy.restore()
    yield
    proxy.close()


def network_cut(scene: Scene) -> Iterator[None]:
    proxy = scene.proxy()
    yield
    refuse = scene.chance.random() < 0.5
    proxy.cut(refuse)
    if refuse:
        time.sleep(scene.chance.uniform(0.1, 2))
        proxy.restore()
    yield
    proxy.close()


def network_slow(scene: Scene) -> Iterator[None]:
    proxy = scene.proxy()
    proxy.slow(scene.chance.uniform(0.001, 0.01))
    yield
    yield
    proxy.close()


def disk_full(scene: Scene) -> Iterator[None]:
    assert scene.disk is not None
    scene.disk.fill(scene.chance.choice([0, 0, 64_000, 256_000, 1_000_000]))
    yield
    yield
    scene.disk.clear()


def no_connections_left(scene: Scene) -> Iterator[None]:
    _, server, _ = scene.side()
    hogs: list[psycopg2.extensions.connection] = []
    at_once = scene.chance.random() < 0.5
    if at_once:
        _take_all(server, hogs)
    yield
    if not at_once:
        _take_all(server, hogs)
    time.sleep(scene.chance.uniform(0, 2))
    for hog in hogs:
        hog.close()
    yield


def _take_all(server: BreakableServer, hogs: list[psycopg2.extensions.connection]) -> None:
    with suppress(psycopg2.OperationalError):
        while True:
            hogs.append(psycopg2.connect(server.url("postgres")))


def replica_lags(scene: Scene) -> Iterator[None]:
    """The replica is stopped, and rows are written that it doesn't see; the next run, when it has caught up, does."""
    replica = scene.replica.superuser()
    scene.replica.catch_up()
    replica.execute("select pg_wal_replay_pause()")
    _write(scene, scene.chance.randint(1, 5))
    scene.environment["OLTP_DATABASE_URL"] = _on(scene.replica, scene.source_url)
    yield
    yield
    replica.execute("select pg_wal_replay_resume()")
    replica.close()
    scene.replica.catch_up()


def replica_conflicts(scene: Scene) -> Iterator[None]:
    """What is replayed needs the locks of what is read, or removes rows that a snapshot still sees."""
    scene.replica.catch_up()
    scene.environment["OLTP_DATABASE_URL"] = _on(scene.replica, scene.source_url)
    yield
    for _ in range(scene.chance.randint(1, 30)):
        table = scene.chance.choice(["tenants", "learners", "users", "sessions", "session_events", "recommendations"])
        if scene.chance.random() < 0.5:
            scene.source.execute(
                f"begin; lock table {table} in access exclusive mode; comment on table {table} is 'locked'; commit"
            )
        else:
            scene.source.execute(f"update {table} set id = id")
            scene.source.execute(f"vacuum {table}")
        time.sleep(0.02)
    yield


def analyst_reads(scene: Scene) -> Iterator[None]:
    """A transaction that has read everything, and stays open for the whole of the run."""
    connection = psycopg2.connect(scene.warehouse_url)
    connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
    cursor = connection.cursor()
    cursor.execute("select to_regclass('etl_job_runs') is not null")
    if cursor.fetchone() == (True,):
        for table in _TABLES:
            cursor.execute(f"select count(*) from {table}")
    yield
    yield
    connection.close()


def analyst_locks(scene: Scene) -> Iterator[None]:
    """A table is locked against everyone, and let go of, sometimes later than lock_timeout."""
    yield
    connection = psycopg2.connect(scene.warehouse_url)
    with suppress(psycopg2.Error):  # a warehouse that has no tables yet
        connection.cursor().execute(f"lock table {scene.chance.choice(_TABLES)} in access exclusive mode")
        time.sleep(scene.chance.choice([0.05, 0.5, 1.0, 5.0]))
    connection.close()
    yield


def clock_jumps(scene: Scene) -> Iterator[None]:
    """The worker's clock, a month or a year to and fro, in the middle of the run."""
    folder = Path(scene.environment["LUIGI_CONFIG_PATH"]).parent
    offset = folder / f"clock-{threading.get_ident()}"
    offset.write_text("+0")
    scene.environment |= {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    scene.of_its_own = True
    yield
    time.sleep(0.5)
    for _ in range(3):
        offset.write_text(scene.chance.choice(["-400d", "-31d", "-2h", "+2h", "+31d", "+400d"]))
        time.sleep(0.2)
    yield


def source_written(scene: Scene) -> Iterator[None]:
    yield
    for _ in range(10):
        _write(scene, 1)
        time.sleep(0.03)
    yield


def two_schedulers(scene: Scene) -> Iterator[None]:
    scene.runs_at_once = 2
    yield
    yield


def _write(scene: Scene, number: int) -> None:
    """New sessions with their events, in the source that belongs to this fault alone."""
    world = World(scene.source)
    for _ in range(number):
        name = f"late {scene.chance.getrandbits(60)}"
        start = at("12:00") + timedelta(seconds=scene.chance.randrange(3600))
        world.session(name, started_at=start)
        world.event("FOCUS_BREAK_STARTED", f"{name} event", session=name, event_time=start)


def _on(server: BreakableServer, url: str) -> str:
    return make_url(url).set(port=server.port).render_as_string(hide_password=False)


KINDS: dict[str, Kind] = {
    kind.__name__: kind
    for kind in (
        sigkill,
        sigterm,
        source_sessions_ended,
        warehouse_sessions_ended,
        source_restarted,
        warehouse_restarted,
        network_stalls,
        network_cut,
        network_slow,
        disk_full,
        no_connections_left,
        replica_lags,
        replica_conflicts,
        analyst_reads,
        analyst_locks,
        clock_jumps,
        source_written,
        two_schedulers,
    )
}

WRITING = {"replica_lags", "source_written", "replica_conflicts"}
"""They write into the source, and so have one of their own."""

FROM_THE_BEGINNING = {"network_slow", "disk_full", "replica_lags", "analyst_reads", "two_schedulers"}
"""They are there before the run begins, and have no moment."""


def possible(kind: str) -> str:
    """Why the kind can't be tried here, or nothing."""
    if kind == "disk_full" and not may_mount():
        return "no small file system may be mounted (it takes root)"
    if kind == "clock_jumps" and not FAKETIME.exists():
        return "libfaketime is not installed"
    return ""
