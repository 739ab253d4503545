"""luigid's visualiser: what runs and what has run, in a real browser; the links into the report; the metrics.

AIVO_SCREENSHOTS=docs/images makes the pictures of docs/visualiser.md anew.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from urllib.request import urlopen

import luigi
import psycopg2
import pytest
from luigi.scheduler import Scheduler
from luigi.worker import Worker
from support.browser import Browser, Visit
from support.luigid import Luigid
from support.pipeline import REPOSITORY, Pipeline, write_config
from support.runs import JOBS, runs
from support.world import World, at

from aivo_luigi import BuildFactSessions, RunAll, SyncDimSubject
from aivo_luigi.report.page import make_page
from aivo_luigi.report.queries import read_numbers
from aivo_luigi.report.serve import Server

if TYPE_CHECKING:
    from playwright.sync_api import Locator

DAY = "2025-01-15"
REPORT = "http://127.0.0.1:8083/"
TASKS = 13  # ten jobs and three wrappers
# Luigi's own page asks for a font of Google's, and does without. Anything else is a fault.
FONT = "https://fonts.googleapis.com/css?family=Source+Sans+Pro:300,400,600,700,300italic,400italic,600italic"
COMPLAINTS_OF_LUIGI = {f"Failed to load resource: net::ERR_FAILED ({FONT})", f"refused: {FONT}"}
SLOW = 60_000  # milliseconds that a page may take on a busy machine
SCREENSHOTS = os.environ.get("AIVO_SCREENSHOTS")


@pytest.fixture
def report(pipeline: Pipeline) -> Iterator[str]:
    """Where the report of the pipeline's warehouse is served."""
    with Server(0, lambda: make_page(read_numbers(JOBS, 30, None))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def luigid(tmp_path: Path, report: str) -> Iterator[Luigid]:
    """luigid with the metrics and the report of docs/visualiser.md."""
    sections = {"etl": {"report_url": report}, "scheduler": {"metrics_collector": "prometheus"}}
    luigid = Luigid(tmp_path, write_config(tmp_path / "base.cfg", **sections))
    yield luigid
    luigid.stop()


@pytest.fixture
def lessons(world: World) -> None:
    world.tenant()
    world.learner()
    for number in range(5):
        world.session(f"lesson {number}", started_at=at(f"0{number}:30"))


def asked(luigid: Luigid, method: str, **arguments: Any) -> dict[str, Any]:
    """luigid's answer to one of the calls of its own page."""
    with urlopen(f"{luigid.url}/api/{method}?{urlencode({'data': json.dumps(arguments)})}", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)["response"]
        return found


def links(luigid: Luigid, status: str = "DONE") -> list[tuple[str, str | None]]:
    tasks = asked(luigid, "task_list", status=status).values()
    return [(task["name"], task["tracking_url"]) for task in tasks]


@contextmanager
def held_up(pipeline: Pipeline) -> Iterator[subprocess.Popen[bytes]]:
    """Makes a RunAll wait before it writes its first session, until the block ends."""
    lock = psycopg2.connect(pipeline.warehouse.url)
    lock.cursor().execute(f"select etl_ensure_day('fact_sessions', '{DAY}')")
    lock.commit()  # or the run would wait for its partition, before a row is read
    lock.cursor().execute("lock table fact_sessions in access exclusive mode")
    try:
        yield lock
    finally:
        lock.close()


@contextmanager
def started(pipeline: Pipeline, luigid: Luigid, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("luigi")), "--module", "aivo_luigi", *arguments],
        env=pipeline.command_environment(config=luigid.config),
        cwd=pipeline.folder,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(luigid: Luigid, progress: int) -> None:
    """Until a task that runs has come so far."""
    deadline = time.monotonic() + 60
    while not [
        task
        for task in asked(luigid, "task_list", status="RUNNING").values()
        if task["progress_percentage"] == progress
    ]:
        assert time.monotonic() < deadline, "nothing runs"
        time.sleep(0.1)


def open_task_list(browser: Browser, luigid: Luigid, **options: Any) -> Visit:
    visit = browser.visit(f"{luigid.url}/static/visualiser/index.html", **options)
    visit.page.locator("#taskTable tbody tr").first.wait_for()
    visit.page.locator("select[name=taskTable_length]").select_option("100")
    return visit


def row_of(visit: Visit, task: str) -> Locator:
    return visit.page.locator(f"#taskTable tbody tr:has(td:text-is('{task}'))")


def shows(found: Locator, what: str | int) -> None:
    """Text, or so many elements: soon, if not now, for the page asks luigid for them."""
    from playwright.sync_api import expect  # a second of import, for who needs it

    if isinstance(what, int):
        expect(found).to_have_count(what, timeout=SLOW)
    else:
        expect(found).to_have_text(what, timeout=SLOW)


def link_in(row: Locator) -> str | None:
    return row.locator("a[title='Track Progress']").get_attribute("href")


def picture(visit: Visit, name: str) -> None:
    """For docs/visualiser.md, where it is asked for."""
    if SCREENSHOTS:
        visit.page.wait_for_timeout(700)  # what fades in is there
        visit.page.screenshot(path=Path(SCREENSHOTS) / f"visualiser-{name}.png")


def no_surprises(visit: Visit) -> None:
    assert set(visit.complaints) <= COMPLAINTS_OF_LUIGI


@pytest.mark.usefixtures("lessons")
def test_a_day_is_seen_as_it_runs_and_when_it_is_done(
    pipeline: Pipeline, luigid: Luigid, report: str, browser: Browser
) -> None:
    with started(pipeline, luigid, "RunAll", "--date", DAY, "--workers", "1") as run:
        with held_up(pipeline):
            wait_for(luigid, 60)
            visit = open_task_list(browser, luigid, width=1100, height=700)
            assert visit.page.locator("#taskTable tbody tr").count() == TASKS
            running = row_of(visit, "BuildFactSessions")
            assert "RUNNING" in running.inner_text()
            run_id = pipeline.warehouse.value("select id from etl_job_runs where status = 'RUNNING'")
            assert link_in(running) == f"{report}#run-{run_id}"
            picture(visit, "tasks")
            running.locator(".statusMessage").click()
            message = visit.page.locator("#statusMessageModal")
            shows(message.locator("pre"), "5 rows read, loading")
            shows(message.locator(".progress-bar"), "60%")
            picture(visit, "progress")
            phone = open_task_list(browser, luigid, width=390, height=700, is_mobile=True)
            row_of(phone, "BuildFactSessions").scroll_into_view_if_needed()
            picture(phone, "phone")
            whole = RunAll(date=date.fromisoformat(DAY)).task_id
            visit.page.goto(f"{luigid.url}/static/visualiser/index.html#tab=graph&taskId={whole}")
            shows(visit.page.locator("svg .graph-node-a"), TASKS)
            visit.page.goto(f"{luigid.url}/static/visualiser/index.html#tab=workers")
            bar = visit.page.locator(".worker-table .taskProgressBar")
            shows(bar, "60%")
        assert run.wait(timeout=60) == 0
    done = open_task_list(browser, luigid)
    rows = done.page.locator("#taskTable tbody tr")
    assert [row.split()[0] for row in rows.all_inner_texts()] == ["DONE"] * TASKS
    ids = {row["job_name"]: row["id"] for row in runs(pipeline.warehouse)}
    for job in JOBS:
        name = "".join(map(str.capitalize, job.split("_")))
        assert link_in(row_of(done, name)) == f"{report}#run-{ids[job]}"
    with done.page.expect_popup() as opened:
        row_of(done, "BuildFactSessions").locator("a[title='Track Progress']").click()
    target = opened.value.locator("tr:target")
    target.wait_for()
    assert target.get_attribute("id") == f"run-{ids['build_fact_sessions']}"
    for seen in (visit, phone, done):
        no_surprises(seen)


@pytest.mark.usefixtures("lessons")
def test_a_day_can_be_run_again_while_luigid_remembers_it(pipeline: Pipeline, luigid: Luigid) -> None:
    """Finished and failed tasks stay for a day: none of them is refused (exit code 25)."""
    pipeline.source.execute("alter table recommendations rename to elsewhere")
    assert pipeline.luigi("RunAll", "--date", DAY, config=luigid.config).returncode == 30
    pipeline.source.execute("alter table elsewhere rename to recommendations")
    assert pipeline.luigi("RunAll", "--date", DAY, config=luigid.config).returncode == 0
    assert pipeline.luigi("BuildFacts", "--date", DAY, "--force", config=luigid.config).returncode == 0
    assert asked(luigid, "task_list", status="FAILED") == {}
    assert len(links(luigid)) == TASKS + 6
    metrics = metrics_of(luigid)
    assert metrics['luigi_task_failed_total{family="BuildFactRecommendationEvents"}'] == 1
    assert metrics['luigi_task_done_total{family="BuildFactSessions"}'] == 2
    assert metrics['luigi_task_execution_time_seconds{family="BuildFactSessions"}'] > 0


def metrics_of(luigid: Luigid) -> dict[str, float]:
    with urlopen(f"{luigid.url}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


def links_of(*tasks: luigi.Task) -> list[tuple[str, str | None]]:
    """Runs the tasks in this process; what Luigi's scheduler then knows, by the task's name."""
    scheduler = Scheduler()
    with Worker(scheduler, worker_id="worker") as worker:
        for task in tasks:
            worker.add(task)
        assert worker.run()
    return [(task["name"], task["tracking_url"]) for task in scheduler.task_list().values()]


@pytest.mark.usefixtures("pipeline")
def test_the_days_of_a_batch_link_to_the_report_as_a_whole(etl_option: Callable[[str, str], None]) -> None:
    """Luigi gives them all the same link."""
    etl_option("report_url", REPORT)
    found = links_of(*(BuildFactSessions(date=date(2025, 1, day)) for day in (14, 15, 16)))
    assert [link for name, link in found if name == "BuildFactSessions"] == [REPORT] * 4  # three days, and the batch


@pytest.mark.usefixtures("pipeline")
def test_without_a_report_there_is_no_link() -> None:
    assert links_of(SyncDimSubject(date=date(2025, 1, 15))) == [("SyncDimSubject", None)]


def test_a_finished_task_stays_for_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """luigid's own scheduler, with luigi.cfg; only its clock is the test's."""
    scheduler, now, hour = Scheduler(), time.time(), 3600

    def is_there_after(hours: float) -> bool:
        monkeypatch.setattr(luigi.scheduler.time, "time", lambda: now + hours * hour)
        scheduler.prune()
        return bool(scheduler.task_list())

    scheduler.add_task(task_id="A", worker="w", status="DONE", params={})
    assert is_there_after(0.1)  # its worker is gone: from here on a day
    assert is_there_after(24)
    assert not is_there_after(24.2)


def test_the_cluster_and_the_docs_switch_on_what_is_tested_here() -> None:
    page = (REPOSITORY / "docs" / "visualiser.md").read_text(encoding="utf-8")
    manifests = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "k8s").rglob("*.*") if path.is_file()]
    for text in (page, "\n".join(manifests)):
        assert "metrics_collector=prometheus" in text
