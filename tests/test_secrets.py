"""A planted password is in the input of a run, and in nothing that the run shows or leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from urllib.request import urlopen

import pytest
from sqlalchemy.engine import make_url
from support.database import Database
from support.luigid import Luigid
from support.pipeline import Pipeline
from support.runs import runs
from support.server import AnyServer
from support.world import DAY, World

# Whichever way it is written, quoted or cut, one of its parts is left.
PARTS = ("Zebra7", "quagga8")
PASSWORD = "@".join(PARTS) + ":/x"
ROLE = f"aivo_planted_{os.getpid()}"


@pytest.fixture
def planted(pipeline: Pipeline, server: AnyServer) -> Iterator[dict[str, str]]:
    """The URLs of the pipeline's databases for a role with the password."""
    admin = Database(server.url("postgres"))
    admin.execute(f"create role {ROLE} login password '{PASSWORD}' in role current_user")
    admin.execute("select")  # an idle session shows its last query
    yield {name: with_password(url, PASSWORD) for name, url in pipeline.environment.items()}
    for database in (pipeline.source, pipeline.warehouse):
        database.execute(f"reassign owned by {ROLE} to current_user")
    admin.execute(f"drop role {ROLE}")
    admin.close()


def with_password(url: str, password: str) -> str:
    return make_url(url).set(username=ROLE, password=password).render_as_string(hide_password=False)


def holds(text: str) -> list[str]:
    """The parts of the password that are in the text."""
    return [part for part in PARTS if part in text]


class Traces:
    """What is to be seen of a run while it lasts, and what it leaves behind."""

    def __init__(self, pipeline: Pipeline, luigid: Luigid) -> None:
        self.pipeline, self.luigid = pipeline, luigid
        self.seen: dict[str, str] = {}
        self.environments = ""

    def run(self, *arguments: str, env: Mapping[str, str | None]) -> int:
        """Runs the command luigi, looking all the while; returns its exit code."""
        command = [str(Path(sys.executable).with_name("luigi")), "--module", "aivo_luigi", *arguments]
        with (
            (self.pipeline.folder / "output").open("wb") as output,
            subprocess.Popen(
                command,
                env=self.pipeline.command_environment(env, self.luigid.config),
                cwd=self.pipeline.folder,
                stdout=output,
                stderr=output,
            ) as process,
        ):
            while process.poll() is None:
                self._look(process.pid)
                time.sleep(0.1)
        self._look_back()
        return process.returncode

    def _look(self, pid: int) -> None:
        """At every process there is, the sessions of the databases, and the scheduler."""
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                self._note("command lines", (folder / "cmdline").read_text(errors="replace"))
                self._note("titles", (folder / "comm").read_text(errors="replace"))
        with suppress(OSError):
            self.environments += (Path("/proc") / str(pid) / "environ").read_text(errors="replace")
        self._note(
            "sessions",
            self.pipeline.warehouse.rows(
                "select application_name, query from pg_stat_activity where query is not null"
            ),
        )
        self._note("luigid", self._ask("task_list", status="RUNNING", upstream_status=""))

    def _look_back(self) -> None:
        """At output, run rows, rejected rows, and all that the scheduler knows and stores."""
        self._note("output", (self.pipeline.folder / "output").read_text(errors="replace"))
        for table in ("etl_job_runs", "etl_rejected_rows"):
            self._note(table, self.pipeline.warehouse.rows(f"select * from {table}"))
        for method in ("task_list", "worker_list", "resource_list"):
            self._note(
                "luigid", self._ask(method, **({"status": "", "upstream_status": ""} if method[0] == "t" else {}))
            )
        for task in self._ask("task_list", status="", upstream_status=""):
            self._note("luigid", self._ask("fetch_error", task_id=task))
            self._note("luigid", self._ask("get_task_status_message", task_id=task))
        self.luigid.stop()
        self._note("state", (self.luigid.config.parent / "state.pickle").read_bytes().decode("latin-1"))
        self._note("luigid's log", (self.luigid.config.parent / "luigid.log").read_text(errors="replace"))
        self._note(
            "files", [path.read_text(errors="replace") for path in self.pipeline.folder.iterdir() if path.name != "url"]
        )

    def _note(self, place: str, what: Any) -> None:
        self.seen[place] = self.seen.get(place, "") + str(what)

    def _ask(self, method: str, **data: Any) -> Any:
        query = urlencode({"data": json.dumps(data)})
        with urlopen(f"{self.luigid.url}/api/{method}?{query}", timeout=10) as answer:
            return json.load(answer)["response"]

    def leaks(self) -> dict[str, list[str]]:
        """Where parts of the password are, and which."""
        return {place: found for place, text in self.seen.items() if (found := holds(text))}


@pytest.fixture
def traces(pipeline: Pipeline, luigid: Luigid) -> Traces:
    return Traces(pipeline, luigid)


def test_a_run_that_succeeds_leaves_no_password(
    pipeline: Pipeline, world: World, planted: dict[str, str], traces: Traces
) -> None:
    world.row_of_everything()
    world.event("FOCUS_BREAK_STARTED", metadata={"focusScore": "n/a"})
    code = traces.run("RunAll", "--date", str(DAY), "--workers", "2", env={**planted, "ETL_DEBUG": "true"})
    assert code == 0, traces.seen["output"]
    assert len(runs(pipeline.warehouse)) == 10
    assert traces.leaks() == {}
    # It was there to be leaked, and where it would be seen was looked at.
    assert set(holds(traces.environments)) == set(PARTS)
    assert "RunAll" in traces.seen["command lines"]
    assert "aivo_luigi" in traces.seen["sessions"]
    assert "RunAll" in traces.seen["state"]
    assert "focusScore" in traces.seen["etl_rejected_rows"]
    assert "session.sql" in traces.seen["output"]


def test_a_run_whose_urls_stand_in_files_has_no_password_in_its_environment_either(
    pipeline: Pipeline, world: World, planted: dict[str, str], traces: Traces
) -> None:
    world.row_of_everything()
    folder = pipeline.folder / "url"
    folder.mkdir()
    files: dict[str, str | None] = {}
    for name, url in planted.items():
        (folder / name).write_text(url)
        files |= {name: None, f"{name}_FILE": str(folder / name)}
    assert traces.run("SyncDimensions", "--date", str(DAY), env=files) == 0
    assert len(runs(pipeline.warehouse)) == 5
    assert traces.leaks() == {}
    assert traces.environments
    assert holds(traces.environments) == []


@pytest.mark.parametrize(("workers", "debug"), [("1", "true"), ("2", "false")])
def test_a_run_that_fails_leaves_no_password(
    pipeline: Pipeline, world: World, planted: dict[str, str], traces: Traces, workers: str, debug: str
) -> None:
    world.row_of_everything()
    pipeline.source.execute("alter table sessions rename duration_ms to lasted")
    code = traces.run(
        "BuildFactSessions", "--date", str(DAY), "--workers", workers, env={**planted, "ETL_DEBUG": debug}
    )
    assert code == 30
    assert any("duration_ms" in row["error_message"] for row in runs(pipeline.warehouse, "FAILED"))
    assert "duration_ms" in traces.seen["luigid"]
    assert ("Traceback" in traces.seen["output"]) == (debug == "true")
    assert traces.leaks() == {}


@pytest.mark.parametrize(
    ("variable", "wrong"), [("OLTP_DATABASE_URL", "password"), ("WAREHOUSE_DATABASE_URL", "spelling")]
)
def test_a_password_that_is_wrong_or_wrongly_written_is_left_nowhere(
    pipeline: Pipeline, planted: dict[str, str], traces: Traces, variable: str, wrong: str
) -> None:
    right = planted[variable]
    url = with_password(right, f"{PASSWORD}x") if wrong == "password" else right.replace(quoted(), PASSWORD)
    assert url != right
    code = traces.run(
        "SyncDimTenant", "--date", str(DAY), "--workers", "2", env={**planted, variable: url, "ETL_DEBUG": "true"}
    )
    assert code in (30, 35)
    what = "source" if variable.startswith("OLTP") else "warehouse"
    assert f"the {what} can't be reached" in traces.seen["output"]
    assert traces.leaks() == {}


def quoted() -> str:
    """The password as it stands in the URLs."""
    return (
        make_url(with_password("postgresql://a/b", PASSWORD))
        .render_as_string(hide_password=False)
        .split(":")[2]
        .split("@")[0]
    )


def test_the_test_would_see_a_password(traces: Traces) -> None:
    traces.seen = {"a": f"x {PASSWORD} y", "b": quote(PASSWORD, safe=""), "c": "harmless", "d": PARTS[1]}
    assert traces.leaks() == {"a": list(PARTS), "b": list(PARTS), "d": [PARTS[1]]}
