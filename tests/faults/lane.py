"""A lane: servers of its own, on which one fault after the other is tried."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

from support.database import Database
from support.databases import Databases
from support.pipeline import REPOSITORY
from support.runs import JOBS, everything
from support.world import DAY, World, at
from support.zygote import Run, Zygote

from faults.kinds import FROM_THE_BEGINNING, KINDS, WRITING, Scene
from faults.servers import BreakableServer, Replica, SmallDisk

SomeServer = TypeVar("SomeServer", bound=BreakableServer)

# Stated timeouts, in seconds: short, so that a fault takes no longer than it must.
TIMEOUTS = {"connect_timeout": 3, "statement_timeout": 5, "lock_timeout": 3, "retry_seconds": 5, "retries": 1}

UNDISTURBED = "succeeded undisturbed"

# The longest that a run may take: every statement of it and each attempt may time out once, on a busy machine.
HANG = 90.0

# The line that a person reads when a task fails, or when Luigi's scheduler handed it out to nobody.
_TOLD = re.compile(r"(ERROR|WARNING): .*(failed|begins again|Will not run|Uncaught)|This progress looks :\|")


@dataclass
class Outcome:
    """What came of a fault, which struck so many seconds (`moment`) after so many jobs (`rows`) had begun.

    `problem`: what must not have been; empty if all is well.
    """

    number: int
    seed: int
    kind: str
    warehouse: str
    workers: int
    rows: int
    moment: float
    outcome: str = ""
    seconds: float = 0.0
    messages: list[str] = field(default_factory=list)
    problem: str = ""


class Lane:
    """Servers, a small world, and what an undisturbed run makes of it."""

    def __init__(self, bin_dir: Path, folder: Path) -> None:
        self.folder = folder
        self._undo = ExitStack()
        self._config = folder / "luigi.cfg"
        self._config.write_text(_config())
        self.zygote = Zygote()
        self._undo.callback(self.zygote.close)
        try:
            self._build(bin_dir)
        except BaseException:
            self.close()
            raise

    def _build(self, bin_dir: Path) -> None:
        self.primary = self._server(BreakableServer(bin_dir))
        self.keeper = self._server(BreakableServer(bin_dir))
        self.replica = self._server(Replica(bin_dir, self.primary))
        self.disk = self._small_disk()
        self._names = iter(range(1_000_000))
        self._world = self._create(self.primary, "template0")  # a template: no run ever connects to it
        fill(Database(self._world))
        self.source_url = self._create(self.primary, self._world)
        self._prepare()

    def _server(self, server: SomeServer) -> SomeServer:
        self._undo.callback(server.stop)
        return server

    def _small_disk(self) -> SmallDisk | None:
        try:
            disk = SmallDisk(self.folder / "disk", 48, "postgres" if os.geteuid() == 0 else "")
        except (OSError, subprocess.CalledProcessError, LookupError):
            return None
        self._undo.callback(disk.remove)
        keeper = self.keeper.superuser()
        keeper.execute(f"create tablespace small location '{disk.space}'")
        keeper.close()
        return disk

    def _prepare(self) -> None:
        """The three warehouses that a run may find: empty, migrated, built."""
        self.templates = {"empty": self._create(self.keeper, "template0")}
        self.templates["built"] = self._create(self.keeper, "template0")
        run = self.start(self.source_url, self.templates["built"], ["RunAll", "--date", str(DAY)])
        if run.wait(120) != 0:
            raise RuntimeError(run.said)
        self.expected = checksum(self.templates["built"])
        self.templates["migrated"] = self._create(self.keeper, "template0")
        migrate = [str(Path(sys.executable).with_name("aivo-etl")), "migrate"]
        subprocess.run(migrate, env=self._environment(self.templates["migrated"]), check=True, capture_output=True)

    def _environment(self, warehouse_url: str, **more: str) -> dict[str, str]:
        urls = {"OLTP_DATABASE_URL": self.source_url, "WAREHOUSE_DATABASE_URL": warehouse_url}
        found = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "LUIGI_CONFIG_PATH": str(self._config)}
        return {**found, **urls, **more}

    def _create(self, server: BreakableServer, template: str, tablespace: str = "") -> str:
        name = f"w{next(self._names)}"
        admin = server.superuser()
        template = template if template == "template0" else Databases.name_of(template)
        space = f"tablespace {tablespace}" if tablespace else ""
        admin.execute(f'create database {name} template "{template}" strategy file_copy {space}')
        admin.close()
        return server.url(name)

    def _drop(self, server: BreakableServer, url: str) -> None:
        admin = server.superuser()
        admin.execute(f"drop database if exists {Databases.name_of(url)} with (force)")
        admin.close()

    def start(self, source_url: str, warehouse_url: str, arguments: list[str], **more: str) -> Run:
        """A run; where what is loaded before it begins matters, as a new process."""
        urls = {"OLTP_DATABASE_URL": source_url, "WAREHOUSE_DATABASE_URL": warehouse_url}
        environment = self._environment(warehouse_url, **more) | urls
        return self.zygote.start(arguments, environment, self.folder / f"log-{next(self._names)}")

    def close(self) -> None:
        self._undo.close()

    def strike(self, number: int, seed: int, kind: str) -> Outcome:
        """One fault, the run that it struck, the run after it, and what the warehouse holds then."""
        chance = random.Random(f"{seed} {number}")
        found = Outcome(
            number,
            seed,
            kind,
            warehouse=chance.choice(["migrated", "migrated", "empty", "built"]),
            workers=chance.choice([1, 1, 2]),
            rows=chance.randint(0, len(JOBS)),
            moment=round(chance.uniform(0, 0.3), 3),
        )
        try:
            with self._scene(found, chance) as scene:
                self._run_and_strike(scene, found)
                self._put_right(scene, found)
        except Exception as error:
            found.problem = found.problem or f"the suite itself: {type(error).__name__}: {error}"
        return found

    @contextmanager
    def _scene(self, found: Outcome, chance: random.Random) -> Iterator[Scene]:
        tablespace = "small" if found.kind == "disk_full" else ""
        own = found.kind in WRITING
        source_url = self._create(self.primary, self._world) if own else self.source_url
        warehouse_url = self._create(self.keeper, self.templates[found.warehouse], tablespace)
        scene = Scene(
            chance, self.primary, self.replica, self.keeper, self.disk, source_url, warehouse_url, own_source=own
        )
        scene.environment["LUIGI_CONFIG_PATH"] = str(self._config)
        scene.arguments = ["RunAll", "--date", str(DAY), "--workers", str(found.workers)]
        scene.arguments += ["--force", "again"] if found.warehouse == "built" else []
        try:
            yield scene
        finally:
            scene.close()
            for run in scene.runs:
                run.kill(signal.SIGKILL, group=True)
                run.log.unlink(missing_ok=True)
            self._drop(self.keeper, warehouse_url)
            if own:
                self._drop(self.primary, source_url)

    def _run_and_strike(self, scene: Scene, found: Outcome) -> None:
        fault = KINDS[found.kind](scene)
        next(fault)
        began = time.monotonic()
        for _ in range(scene.runs_at_once):
            urls = (scene.environment["OLTP_DATABASE_URL"], scene.environment["WAREHOUSE_DATABASE_URL"])
            scene.runs.append(self._begin(scene, *urls))
        self._wait_for_the_moment(scene, found)
        too_late = all(run.wait(0) is not None for run in scene.runs)
        try:
            next(fault)
            codes = [run.wait(HANG) for run in scene.runs]
            found.seconds = round(time.monotonic() - began, 2)
        finally:
            next(fault, None)
        if None in codes:
            found.outcome, found.problem = "hung", f"no end after {HANG} s: {self._where(scene)}"
            return
        self._classify(scene, found, [int(code or 0) for code in codes])
        if too_late and found.outcome == UNDISTURBED and found.kind not in FROM_THE_BEGINNING:
            found.outcome = "had ended before it"

    def _where(self, scene: Scene) -> str:
        """Where the run is: each process tells when it is aborted, and the rows tell how it came there."""
        rows = scene.warehouse.rows(
            "select job_name, status, error_message, to_char(started_at, 'HH24:MI:SS') as started,"
            " to_char(completed_at, 'HH24:MI:SS') as completed, to_char(now(), 'HH24:MI:SS') as now"
            " from etl_job_runs order by started_at"
        )
        for run in scene.runs:
            run.kill(signal.SIGABRT, group=True)
        time.sleep(1)
        return "\n".join([*map(str, rows), *(run.said[-6000:] for run in scene.runs)])

    def _wait_for_the_moment(self, scene: Scene, found: Outcome) -> None:
        """Until so many jobs have begun, which doesn't depend on the machine's pace, and some more."""
        before = len(JOBS) if found.warehouse == "built" else 0
        there = False
        while scene.runs[0].wait(0) is None:
            there = there or bool(scene.warehouse.value("select to_regclass('etl_job_runs') is not null"))
            rows = scene.warehouse.value("select count(*) from etl_job_runs") if there else 0
            if rows - before >= found.rows:
                time.sleep(found.moment)
                return
            time.sleep(0.02)

    def _begin(self, scene: Scene, source_url: str, warehouse_url: str) -> Run:
        more = {
            name: value
            for name, value in scene.environment.items()
            if name not in ("OLTP_DATABASE_URL", "WAREHOUSE_DATABASE_URL")
        }
        if not scene.of_its_own:
            return self.start(source_url, warehouse_url, scene.arguments, **more)
        program = [str(Path(sys.executable).with_name("luigi")), "--module", "aivo_luigi", *scene.arguments]
        return self.zygote.start(
            ["exec", *program],
            self._environment(warehouse_url, **more) | {"OLTP_DATABASE_URL": source_url},
            self.folder / f"log-{next(self._names)}",
        )

    def _classify(self, scene: Scene, found: Outcome, codes: list[int]) -> None:
        said = "\n".join(run.said for run in scene.runs)
        failed = self._failed(scene)
        found.messages = sorted({normal(message) for message in failed})
        if "Traceback" in said:
            found.problem = f"a traceback: {said[max(0, said.index('Traceback') - 500) :][:4000]}"
        worst = max(codes, key=abs)
        if worst == 0:
            found.outcome = "succeeded, begun again" if failed or "begins again" in said else UNDISTURBED
        elif worst in (-9, -15, 143):
            found.outcome = {-9: "killed"}.get(worst, "terminated")
        else:
            found.outcome = "failed, told in one line"
            lines = [line for line in said.splitlines() if _TOLD.search(line)]
            found.messages = found.messages or [normal(line) for line in lines[:1]]
            untold = [message for message in failed if message not in said and "abandoned" not in message]
            if not lines or untold:
                found.problem = f"exit {codes}, not told: {untold or said[-2000:]}"

    def _failed(self, scene: Scene) -> list[str]:
        warehouse = Database(scene.warehouse_url)
        if warehouse.value("select to_regclass('etl_job_runs') is null"):
            messages: list[str] = []
        else:
            messages = warehouse.column("select error_message from etl_job_runs where status = 'FAILED'")
        warehouse.close()
        return messages

    def _put_right(self, scene: Scene, found: Outcome) -> None:
        """The same command again, on a world that is whole; then nothing may be missing, twice or open."""
        arguments = list(scene.arguments)
        if scene.own_source and found.kind != "replica_conflicts":
            arguments = [*arguments, "--force", "after"] if "--force" not in arguments else [*arguments[:-1], "after"]
        run = self.start(scene.source_url, scene.warehouse_url, arguments)
        scene.runs.append(run)
        if run.wait(HANG) != 0:
            found.problem = found.problem or f"the run after it failed: {run.said[-3000:]}"
            return
        expected = self.expected
        if scene.own_source:
            expected = self._undisturbed(scene.source_url)
        warehouse = Database(scene.warehouse_url)
        open_rows = warehouse.value("select count(*) from etl_job_runs where status = 'RUNNING'")
        done = set(warehouse.column("select distinct job_name from etl_job_runs where status = 'SUCCESS'"))
        warehouse.close()
        if open_rows:
            found.problem = found.problem or f"{open_rows} rows are left RUNNING"
        elif done != set(JOBS):
            found.problem = found.problem or f"not complete: {set(JOBS) - done}"
        elif checksum(scene.warehouse_url) != expected:
            found.problem = found.problem or "the warehouse is not what an undisturbed run makes"

    def _undisturbed(self, source_url: str) -> str:
        url = self._create(self.keeper, self.templates["migrated"])
        run = self.start(source_url, url, ["RunAll", "--date", str(DAY)])
        if run.wait(HANG) != 0:
            raise RuntimeError(run.said)
        expected = checksum(url)
        self._drop(self.keeper, url)
        run.log.unlink()
        return expected


def checksum(url: str) -> str:
    """Of all that the warehouse holds; surrogate keys aside, for another order of the jobs gives others."""
    warehouse = Database(url)
    found = everything(warehouse)
    warehouse.close()
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()


def normal(message: str) -> str:
    """A message without what differs from run to run: ports, days, times."""
    message = re.sub(r"\d{4}-\d\d-\d\d[ T\d:.+]*", "DAY", message)
    message = re.sub(r"port \d+", "port N", message)
    message = re.sub(r"(database|relation|file) \S+", r"\1 …", message)
    return re.sub(r"\[pid .*?salt=.*?\)", "", message)[:300]


def fill(source: Database) -> None:
    """A few dozen rows of each kind."""
    for name in ("schema.sql", "indexes.sql"):
        source.execute((REPOSITORY / "sql" / "source" / name).read_text())
    world = World(source)
    world.row_of_everything()
    for number in range(25):
        learner, session = f"learner {number}", f"session {number}"
        world.learner(learner, grade_level=number % 12)
        world.user(f"user {number}")
        world.skill(f"skill {number}", subject=["MATH", "ELA", "SCIENCE", "SPEECH"][number % 4])
        world.session(session, learner=learner, started_at=at(f"{number % 24:02}:10"))
        for kind in ("ACTIVITY_STARTED", "FOCUS_LOSS_DETECTED", "FOCUS_BREAK_STARTED"):
            world.event(kind, session=session, learner=learner, metadata={"focusScore": number, "isCorrect": "maybe"})
        world.submission(f"homework {number}", learner=learner, session=session)
        world.skill_state(f"skill {number}", number / 30, learner=learner)
        world.recommendation(f"advice {number}", learner=learner, skill=f"skill {number}")
    world.session("stranger's", learner="nobody", tenant="nowhere")
    source.close()


def _config() -> str:
    text = (REPOSITORY / "luigi.cfg").read_text()
    for name, value in TIMEOUTS.items():
        text = re.sub(rf"^{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
    return text


def as_line(outcome: Outcome) -> str:
    return json.dumps(asdict(outcome))
