"""aivo-etl run and its like: Luigi's own tasks, with Luigi's exit codes, shown as they run."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
from support.command import AIVO_ETL, PACKAGE, aivo_etl, aivo_etl_afresh, environment
from support.luigid import Luigid
from support.pipeline import CONFIG, Pipeline, write_config
from support.runs import DIMENSIONS, FACTS, JOBS, runs
from support.world import DAY, World

from aivo_luigi.cli import main

COMMANDS = {
    "run": JOBS,
    "sync-dimensions": DIMENSIONS,
    "build-facts": [job for job in JOBS if job != "sync_dim_user"],
}


def at_once(folder: Path) -> dict[str, str]:
    """The variable of a luigi.cfg with which a database that refuses connections is not tried again."""
    return {"LUIGI_CONFIG_PATH": str(write_config(folder / "luigi.cfg", etl={"retry_seconds": 0}))}


def jobs_run(pipeline: Pipeline) -> list[str]:
    return sorted(row["job_name"] for row in runs(pipeline.warehouse))


def wait_for(pipeline: Pipeline, condition: str, timeout: float = 20) -> None:
    deadline = time.monotonic() + timeout
    while not pipeline.warehouse.value(f"select exists (select from etl_job_runs where {condition})"):
        assert time.monotonic() < deadline, condition
        time.sleep(0.02)


@pytest.fixture
def held(pipeline: Pipeline, world: World) -> Iterator[Any]:
    """Nobody can write dim_user until the connection is closed: sync_dim_user waits, running."""
    world.row_of_everything()
    connection = psycopg2.connect(pipeline.warehouse.url)
    connection.cursor().execute("lock table dim_user in access exclusive mode")
    yield connection
    connection.close()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs_the_jobs_of_its_task(command: str, pipeline: Pipeline, world: World) -> None:
    world.row_of_everything()
    begin = aivo_etl_afresh if command == "run" else aivo_etl
    done = begin(command, f"--date={DAY}", **pipeline.environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert jobs_run(pipeline) == sorted(COMMANDS[command])
    for job in COMMANDS[command]:
        assert re.search(rf"^{job} {DAY}: done, \d+ rows in \d+\.\d\d s$", done.stdout, re.MULTILINE), done.stdout
    assert f"{len(COMMANDS[command])} done: " in done.stdout.splitlines()[-1]
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(("short", "long"), [("dimensions", "sync-dimensions"), ("facts", "build-facts")])
def test_a_short_name_is_the_same_command(short: str, long: str) -> None:
    assert main.commands[short] is main.commands[long]


FOREIGN = """
create function another() returns trigger language plpgsql as $$ begin
    insert into etl_job_runs (job_name, run_date, target_date, status, started_at, rows_processed, error_message)
    values ('build_fact_sessions', '2025-02-03', '2025-02-02', 'SUCCESS', clock_timestamp(), 6000, null),
        ('build_fact_sessions', '2025-02-03', '2025-02-01', 'FAILED', clock_timestamp(), 0, 'of somebody else');
    return null;
end $$;
create trigger another after insert on dim_user execute function another()
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_runs_of_another_process_are_not_shown_as_ones_own(workers: str, pipeline: Pipeline, world: World) -> None:
    world.row_of_everything()
    pipeline.warehouse.execute(FOREIGN)
    done = aivo_etl("run", f"--date={DAY}", "--workers", workers, **pipeline.environment)
    assert len(runs(pipeline.warehouse)) == len(JOBS) + 1
    assert "2025-02" not in done.stdout
    assert "somebody" not in done.stdout
    assert re.search(r"^10 done: \d\d rows", done.stdout, re.MULTILINE), done.stdout


def test_a_job_that_another_process_has_run_meanwhile_is_skipped(pipeline: Pipeline, world: World) -> None:
    world.row_of_everything()
    foreign = FOREIGN.replace("2025-02-02", str(DAY)).replace("build_fact_sessions", "sync_dim_learner", 1)
    pipeline.warehouse.execute(foreign.replace("on dim_user", "on dim_tenant"))
    done = aivo_etl("run", f"--date={DAY}", **pipeline.environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"sync_dim_learner {DAY}: skipped" in done.stdout
    assert "9 done, 1 skipped: " in done.stdout


def test_run_job_runs_one_job_and_what_it_needs(pipeline: Pipeline, world: World) -> None:
    world.row_of_everything()
    arguments = ["run-job", "--job", "build_fact_sessions", "--date", str(DAY)]
    assert aivo_etl(*arguments, **pipeline.environment).returncode == 0
    assert jobs_run(pipeline) == ["build_fact_sessions", "sync_dim_learner", "sync_dim_tenant"]
    again = aivo_etl(*arguments, **pipeline.environment)
    assert f"build_fact_sessions {DAY}: skipped, complete already" in again.stdout
    forced = aivo_etl(*arguments, "--force", **pipeline.environment)
    assert "1 done, 2 skipped" in forced.stdout
    assert len(jobs_run(pipeline)) == 4


def test_force_with_a_name_forces_once_and_a_bare_one_each_time(pipeline: Pipeline, world: World) -> None:
    world.row_of_everything()
    for options, expected in ((["--force", "fix"], 5), (["--force", "fix"], 5), (["--force"], 10), (["--force"], 15)):
        assert aivo_etl("dimensions", f"--date={DAY}", *options, **pipeline.environment).returncode == 0
        assert len(jobs_run(pipeline)) == expected


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_failure_is_told_in_one_line_and_has_luigis_exit_code(workers: str, pipeline: Pipeline, world: World) -> None:
    world.row_of_everything()
    pipeline.source.execute("drop table users")
    done = aivo_etl("run", f"--date={DAY}", "--workers", workers, **pipeline.environment)
    assert done.returncode == pipeline.luigi("RunAll", "--date", DAY, "--workers", workers).returncode == 30
    (line,) = [line for line in done.stdout.splitlines() if ": failed: " in line]
    assert line.startswith(f'sync_dim_user {DAY}: failed: the source lacks what the job reads (relation "users"')
    assert done.stdout.splitlines()[-1].startswith("9 done, 1 failed: ")
    assert "Traceback" not in done.stdout + done.stderr


def test_a_job_that_fails_before_its_row_is_written_says_why(pipeline: Pipeline, world: World, tmp_path: Any) -> None:
    world.row_of_everything()
    config = tmp_path / "luigi.cfg"
    config.write_text(CONFIG.read_text().replace("lock_timeout=300", "lock_timeout=1"))
    connection = psycopg2.connect(pipeline.warehouse.url)
    connection.cursor().execute("select pg_advisory_lock(hashtext('aivo_luigi sync_dim_subject'), 0)")
    for workers in ("1", "2"):
        arguments = ["dimensions", f"--date={DAY}", "--workers", workers, "--force"]
        done = aivo_etl(*arguments, LUIGI_CONFIG_PATH=str(config), **pipeline.environment)
        assert done.returncode == 30
        assert f"sync_dim_subject {DAY}: failed: sync_dim_subject for {DAY} is running elsewhere" in done.stdout
        assert f"sync_dim_skill {DAY}: not run: what it needs is missing" in done.stdout
    connection.close()


def test_what_keeps_a_run_from_beginning_has_luigis_exit_code(pipeline: Pipeline, tmp_path: Path) -> None:
    future = aivo_etl("run", "--date", "2999-01-01", **pipeline.environment)
    assert future.returncode == pipeline.luigi("RunAll", "--date", "2999-01-01").returncode == 35
    refused = "postgresql://etl:h1dden@127.0.0.1:1/nowhere"
    nowhere = aivo_etl("run", OLTP_DATABASE_URL=refused, WAREHOUSE_DATABASE_URL=refused, **at_once(tmp_path))
    assert nowhere.returncode == 35
    for told in (future, nowhere):
        (line,) = told.stderr.splitlines()
        assert line.startswith("aivo-etl: ")
        assert "h1dden" not in line


@pytest.mark.parametrize("workers", ["0", "many"])
def test_workers_with_which_nothing_would_run_are_refused(workers: str, pipeline: Pipeline, tmp_path: Path) -> None:
    config = {"LUIGI_CONFIG_PATH": str(write_config(tmp_path / "luigi.cfg", core={"workers": workers}))}
    job = ["--job", "sync_dim_subject"]
    for command in (["run-job", *job], ["backfill", *job, "--start", "2025-01-15", "--stop", "2025-01-16"]):
        told = aivo_etl(*command, **config, **pipeline.environment)
        assert (told.returncode, told.stdout) == (35, "")
        (line,) = told.stderr.splitlines()
        assert f"{workers!r} can't be used as" in line
        assert "give workers of [core] a whole number from 1 to 1000" in line
        assert jobs_run(pipeline) == []
    if workers == "0":
        assert aivo_etl("run-job", *job, "--workers", "1", **config, **pipeline.environment).returncode == 0


@pytest.mark.parametrize("command", ["run", "dimensions", "facts", "run-job --job sync_dim_subject"])
def test_a_day_as_the_name_of_a_force_is_a_wrong_use_without_a_date(command: str) -> None:
    for name in ("2025-01-15", "today"):
        told = aivo_etl(*command.split(), "--force", name)
        assert (told.returncode, told.stdout) == (2, "")
        assert f"say --date {name} --force" in told.stderr.splitlines()[-1]


def test_a_day_may_be_the_name_of_a_force_beside_a_date(pipeline: Pipeline) -> None:
    forced = ["run-job", "--job", "sync_dim_subject", "--date", "2025-01-15", "--force", "2025-01-15"]
    assert [aivo_etl(*forced, **pipeline.environment).returncode for _ in range(2)] == [0, 0]
    assert jobs_run(pipeline) == ["sync_dim_subject"]


def test_a_date_that_is_none_is_a_wrong_use(pipeline: Pipeline) -> None:
    told = aivo_etl("run", "--date", "2025-02-30", **pipeline.environment)
    assert told.returncode == 2
    assert "'2025-02-30' is no date" in told.stderr


def test_a_run_through_luigid(luigid: Luigid, pipeline: Pipeline, world: World) -> None:
    world.row_of_everything()
    done = aivo_etl("run", f"--date={DAY}", LUIGI_CONFIG_PATH=str(luigid.config), **pipeline.environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert jobs_run(pipeline) == sorted(JOBS)


def test_settings_are_options_of_a_run(pipeline: Pipeline, world: World) -> None:
    world.row_of_everything()
    arguments = ["run-job", "--job", "build_fact_sessions", f"--date={DAY}", "--force"]
    assert aivo_etl(*arguments, **pipeline.environment).returncode == 0
    pipeline.source.execute("truncate sessions cascade")
    refused = aivo_etl(*arguments, **pipeline.environment)
    assert refused.returncode == 30
    assert "--etl-allow-empty-rebuild" in refused.stdout
    assert aivo_etl(*arguments, "--etl-allow-empty-rebuild", **pipeline.environment).returncode == 0
    wrong = aivo_etl(*arguments, "--etl-max-reject-share", "7", **pipeline.environment)
    assert wrong.returncode == 35
    assert "give max_reject_share of [etl] a number from 0 to 1" in wrong.stderr


def test_rejected_rows_are_pointed_to(pipeline: Pipeline, world: World) -> None:
    world.row_of_everything()
    world.event("FOCUS_BREAK_STARTED", metadata={"durationSeconds": "soon"})
    for done in (
        aivo_etl("run-job", "--job", "build_fact_focus_events", f"--date={DAY}", **pipeline.environment),
        pipeline.luigi("RunAll", "--date", DAY, "--force"),
    ):
        assert f"aivo-etl rejects --date {DAY}" in done.stdout


@pytest.mark.parametrize(
    ("workers", "force", "how"),
    [
        ("1", [], "the same command goes on"),
        ("2", ["--force"], "a bare --force begins anew, with --force NAME the same command would go on"),
    ],
)
def test_ctrl_c_leaves_no_process_and_no_open_row_and_says_how_to_go_on(
    workers: str, force: list[str], how: str, held: Any, pipeline: Pipeline
) -> None:
    process = subprocess.Popen(
        [AIVO_ETL, "run", f"--date={DAY}", "--workers", workers, *force],
        env=environment(**pipeline.environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(pipeline, "job_name = 'sync_dim_user' and status = 'RUNNING'")
    children = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    (line,) = stderr.splitlines()
    assert line == f"aivo-etl: interrupted, and what ran is rolled back: {how}"
    assert [child for child in children if child.is_running()] == []
    assert [row["job_name"] for row in runs(pipeline.warehouse, "RUNNING")] == []
    assert "sync_dim_user" in [row["job_name"] for row in runs(pipeline.warehouse, "FAILED")]
    held.close()
    assert aivo_etl("run", f"--date={DAY}", **pipeline.environment).returncode == 0


def unread(*command: str, **variables: str) -> tuple[int, str]:
    """The exit code of a command whose output nobody reads, and what it says on standard error."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        ended = subprocess.run(
            command, env=environment(**variables), cwd="/", stdout=pipe, stderr=subprocess.PIPE, text=True, check=False
        )
    return ended.returncode, ended.stderr


def test_output_that_nobody_reads_ends_a_command_quietly_but_not_a_run(pipeline: Pipeline, world: World) -> None:
    world.row_of_everything()
    for _ in ("builds", "skips"):
        assert unread(AIVO_ETL, "run", f"--date={DAY}", **pipeline.environment) == (0, "")
    assert jobs_run(pipeline) == sorted(JOBS)
    for command in (["status"], ["plan", f"--date={DAY}", "--json"], ["check", "--json"]):
        assert unread(AIVO_ETL, *command, **pipeline.environment) == (141, "")
    luigi = [str(Path(AIVO_ETL).with_name("luigi")), "--module=aivo_luigi", "RunAll", f"--date={DAY}", "--force"]
    code, said = unread(*luigi, **pipeline.environment, LUIGI_CONFIG_PATH=str(CONFIG))
    assert (code, "BrokenPipe" in said) == (0, False), said


_INTERRUPTED = """
import atexit, os, signal, sys
def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
class Imports:
    def find_spec(self, name, path, target=None):
        if name == "click":
            interrupt()
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = ["aivo-etl", "--version"]
{when}
from aivo_luigi.command import main
main()
"""


@pytest.mark.parametrize(
    ("when", "code", "said"),
    [("sys.meta_path.insert(0, Imports())", 130, "aivo-etl: interrupted\n"), ("atexit.register(interrupt)", 0, "")],
)
def test_ctrl_c_while_the_command_is_imported_or_tidies_up_prints_no_traceback(when: str, code: int, said: str) -> None:
    script = [sys.executable, "-c", _INTERRUPTED.format(when=when)]
    ended = subprocess.run(script, env=environment(), capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stderr) == (code, said)


@pytest.mark.parametrize(("no_color", "colours"), [("", True), ("1", False)])
def test_a_terminal_shows_a_table_and_obeys_no_color(
    no_color: str, colours: bool, pipeline: Pipeline, world: World
) -> None:
    world.row_of_everything()
    job = ["run-job", "--job", "build_fact_sessions", f"--date={DAY}"]
    shown = in_a_terminal(*job, NO_COLOR=no_color, **pipeline.environment)
    words = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    assert re.search(rf"build_fact_sessions +{DAY} +done +1 +\d\.\d\d", words), words
    assert bool(re.search(r"\x1b\[[0-9;]*3[0-9]m", shown)) is colours


def test_a_narrow_terminal_breaks_no_job_name_of_status(pipeline: Pipeline, world: World) -> None:
    world.row_of_everything()
    pipeline.source.execute("drop table users")
    aivo_etl("run", f"--date={DAY}", **pipeline.environment)
    lines = in_a_terminal("status", **pipeline.environment).splitlines()
    for job in JOBS:
        assert any(re.search(rf"{job} +{DAY} (SUCCESS|FAILED) ", line) for line in lines), lines
    assert any('relation "users" does not exist' in line for line in lines)


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_no_word_of_a_table_is_broken_however_many_the_rows(columns: int, pipeline: Pipeline, world: World) -> None:
    world.row_of_everything()
    world.event("FOCUS_BREAK_STARTED", metadata={"durationSeconds": "soon"})
    terminal = {"COLUMNS": str(columns), "FORCE_COLOR": "1", "NO_COLOR": "1", "TERM": "xterm", "LINES": "50"}

    def shown(*arguments: str) -> str:
        done = aivo_etl(*arguments, **pipeline.environment, **terminal)
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", done.stdout)

    first = shown("run", f"--date={DAY}")
    assert [job for job in JOBS if not re.search(rf"{job} +{DAY} +done +\d", first)] == [], first
    many = 123456 if columns == 60 else 1234567
    pipeline.warehouse.execute(
        f"update etl_job_runs set rows_processed = {many}, rows_inserted = {many}, rows_deleted = {many},"
        " duration_ms = 1234560"
    )
    status = shown("status")
    rest = {60: "", 80: r" +1234\.56", 120: rf" +{many:,} +\d +{many:,} +\d +1234\.56"}[columns]
    assert [job for job in JOBS if not re.search(rf"{job} +{DAY} SUCCESS +{many:,}{rest} *\n", status)] == [], status
    if columns > 60:
        assert {"durationSeconds", "2147483647", "records"} <= set(shown("rejects").split())
        plan = shown("plan", "--start=2025-02-01", "--stop=2025-03-01", "--job=build_fact_recommendation_events")
        assert {"build_fact_recommendation_events", "2025-02-28", "would", "never"} <= set(plan.split()), plan


@pytest.mark.parametrize("columns", [80, 120])
def test_no_word_of_the_summary_is_broken(
    columns: int, pipeline: Pipeline, world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from aivo_luigi.jobs.summary import tell_summary

    pipeline.warehouse.execute(
        "insert into etl_job_runs (id, job_name, run_date, target_date, status, rows_processed, rows_inserted,"
        " rows_updated, rows_deleted, rows_rejected, duration_ms, started_at, completed_at) select gen_random_uuid(),"
        f" unnest(%(jobs)s), '{DAY}', '{DAY}', 'SUCCESS', 123456, 123456, 123456, 123456, 0, 123450, now(), now()",
        jobs=JOBS,
    )
    for name, value in {**pipeline.environment, "COLUMNS": str(columns), "FORCE_COLOR": "1", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    tell_summary(JOBS, DAY, at_length=True)
    said = capsys.readouterr().out
    deleted = " +123,456" if columns == 120 else ""
    for job in JOBS:
        assert re.search(rf"{job} +123,456 +123,456 +123,456{deleted} +0 +123\.45\n", said), said


def test_status_for_machines_and_for_one_job(pipeline: Pipeline, world: World) -> None:
    world.row_of_everything()
    aivo_etl("run-job", "--job", "build_fact_sessions", f"--date={DAY}", **pipeline.environment)
    one = aivo_etl("status", "--json", "--job", "build_fact_sessions", "--date", str(DAY), **pipeline.environment)
    (run,) = json.loads(one.stdout)
    assert (run["job_name"], run["status"], run["rows_processed"]) == ("build_fact_sessions", "SUCCESS", 1)
    known = "select id::text from etl_job_runs where job_name = 'build_fact_sessions'"
    assert run["run_id"] == pipeline.warehouse.value(known)
    assert aivo_etl("status", "--json", "--date=2025-01-01", **pipeline.environment).stdout.strip() == "[]"


def test_help_imports_neither_luigi_nor_a_driver() -> None:
    code = "import sys; sys.argv[0] = 'aivo-etl'; import aivo_luigi.cli; print(sorted(sys.modules))"
    shown = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(PACKAGE)}, capture_output=True, text=True, check=True
    )
    assert "'click'" in shown.stdout
    for heavy in ("luigi", "psycopg2", "rich", "pandas", "jinja2", "matplotlib"):
        assert f"'{heavy}'" not in shown.stdout


def test_the_shell_completes_commands_and_jobs() -> None:
    words = {"COMP_WORDS": "aivo-etl run-job --job build_fact_s", "COMP_CWORD": "3"}
    shown = aivo_etl_afresh(_AIVO_ETL_COMPLETE="bash_complete", **words)
    assert shown.stdout.split(",")[-1].strip() == "build_fact_sessions"


def in_a_terminal(*arguments: str, **variables: str) -> str:
    """What the command writes into a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [AIVO_ETL, *arguments],
        env={**environment(**variables), "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "50"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd="/",
        start_new_session=True,
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not chunk:
            break
        written += chunk
    os.close(ours)
    process.wait(timeout=30)
    return written.decode()


def test_facts_are_named_as_the_options_say() -> None:
    from aivo_luigi.cli.options import JOBS as NAMES

    assert list(NAMES) == [*DIMENSIONS, *FACTS]


def test_late_says_why_it_failed(pipeline: Pipeline, world: World, tmp_path: Path) -> None:
    world.row_of_everything()
    assert aivo_etl("dimensions", f"--date={DAY}", **pipeline.environment).returncode == 0
    unreachable = {**pipeline.environment, "OLTP_DATABASE_URL": "postgresql://etl@127.0.0.1:1/none"}
    built = aivo_etl("run-job", "--job", "build_fact_sessions", f"--date={DAY}", **pipeline.environment)
    assert built.returncode == 0
    done = aivo_etl("late", f"--date={DAY}", **unreachable, **at_once(tmp_path))
    assert done.returncode == 30
    assert "the source can't be reached" in done.stdout + done.stderr


def test_a_luigid_that_does_not_answer_is_told_at_once(pipeline: Pipeline, tmp_path: Any) -> None:
    config = tmp_path / "luigi.cfg"
    text = CONFIG.read_text().replace("local_scheduler=true", "local_scheduler=false")
    config.write_text(
        text.replace(
            "[core]", "[core]\ndefault-scheduler-url=http://127.0.0.1:1\nrpc-retry-wait=1\nrpc-retry-attempts=2"
        )
    )
    done = aivo_etl("run", f"--date={DAY}", LUIGI_CONFIG_PATH=str(config), **pipeline.environment)
    assert done.returncode not in (0, 1, 2)
    assert "Failed connecting to remote scheduler 'http://127.0.0.1:1'" in done.stdout
    assert "NoneType" not in done.stdout + done.stderr
    assert "default-scheduler-url" in done.stderr


_FORK_WHILE_SHOWING = """
import os, sys, threading, time
from aivo_luigi.operate.display import make_console
threading.Thread(target=make_console().print, args=["x" * 1_000_000]).start()
time.sleep(0.5)
child = os.fork()
if child == 0:
    sys.stdout.flush()
    os._exit(0)
os.waitpid(child, 0)
"""


def test_a_task_that_is_forked_while_the_display_writes_comes_to_an_end() -> None:
    """As a pipe that nobody reads for a while keeps the display writing."""
    script = [sys.executable, "-c", _FORK_WHILE_SHOWING]
    process = subprocess.Popen(script, env=environment(), stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        time.sleep(1)
        shown, _ = process.communicate(timeout=10)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert (process.returncode, len(shown)) == (0, 1_000_001)
