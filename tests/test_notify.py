"""Who is told of what fires: a webhook, and by mail. Nothing personal leaves, and the webhook's URL stays a secret."""

from __future__ import annotations

import configparser
import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timezone
from pathlib import Path
from urllib.request import urlopen
from uuid import UUID

import pytest
import tenacity
from click.testing import CliRunner, Result
from luigi import LuigiStatusCode
from support.command import aivo_etl
from support.luigid import Luigid
from support.mail import Mailbox, mailbox, text_of
from support.pipeline import Pipeline
from support.server import free_port
from support.webhook import PATH, Chat, chat
from support.world import World, uid

from aivo_luigi import Check
from aivo_luigi.cli import main
from aivo_luigi.errors import ConfigurationError, NotificationError, describe, mask_ids, redact
from aivo_luigi.monitoring import webhook as module
from aivo_luigi.monitoring.alerts import Alert
from aivo_luigi.monitoring.messages import for_chat
from aivo_luigi.monitoring.webhook import given_webhook

ROOT = Path(__file__).parents[1]
DAY = date(2025, 3, 11)
RANGE = ("--start", "2025-01-14", "--stop", "2025-01-17")
TOKEN = PATH.rpartition("/")[2]
ANNA = uid("anna")
RunCheck = Callable[[], tuple[bool, str]]


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Chat]:
    """The chat that ETL_ALERT_WEBHOOK_URL names."""
    with chat() as server:
        monkeypatch.setenv("ETL_ALERT_WEBHOOK_URL", server.url)
        yield server


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries without waiting."""
    monkeypatch.setattr(module, "_WAIT", tenacity.wait_none())


@pytest.fixture
def firing(pipeline: Pipeline) -> Pipeline:
    """A sync failed, and the reason names a learner: that fires, and so do the dimensions that never were synced."""
    pipeline.warehouse.insert(
        "etl_job_runs",
        job_name="sync_dim_user",
        run_date=DAY,
        target_date=DAY,
        status="FAILED",
        started_at=datetime(2025, 3, 12, 3, tzinfo=timezone.utc),
        error_message=f"learner {str(ANNA).upper()} & <others>",
    )
    return pipeline


def check(*options: str, **variables: str | None) -> Result:
    """The command, in this process and its environment."""
    return CliRunner().invoke(main, ["check", *options], env={"COLUMNS": "250", **variables})


@pytest.fixture
def task(pipeline: Pipeline, caplog: pytest.LogCaptureFixture) -> RunCheck:
    """Runs the task Check in this process: whether it succeeded, and what the log says."""

    def run() -> tuple[bool, str]:
        caplog.clear()
        return bool(pipeline.run(Check).status == LuigiStatusCode.SUCCESS), caplog.text

    return run


def send(text: str = "hello") -> None:
    webhook = given_webhook()
    assert webhook is not None
    webhook.send(text)


# The webhook


@pytest.mark.usefixtures("firing")
def test_one_message_tells_of_all_that_fires(hook: Chat) -> None:
    told = check("--notify")
    assert (told.exit_code, told.stderr) == (1, "")
    assert f"{str(ANNA).upper()} & <others>" in told.stdout
    (message,) = hook.messages
    assert message[0] == PATH
    assert set(message[1]) == {"text"}
    heading, first, *stale, last = message[1]["text"].splitlines()
    assert re.fullmatch(r"aivo-etl, warehouse aivo_test_\w+ on 127\.0\.0\.1: 6 alerts fire", heading)
    assert first == f"• failed: sync_dim_user for {DAY}: the last run failed: learner … &amp; &lt;others&gt;"
    assert len(stale) == 5
    assert all("never synced" in line for line in stale)
    assert "aivo-etl check" in last


def test_nothing_is_sent_unless_asked_for_nor_when_nothing_fires(firing: Pipeline, hook: Chat) -> None:
    assert check().exit_code == 1
    firing.warehouse.execute(
        "delete from etl_job_runs;"
        " insert into etl_job_runs (job_name, run_date, target_date, status, started_at)"
        " select 'sync_dim_' || name, current_date, current_date, 'SUCCESS', now()"
        " from unnest(array['tenant', 'learner', 'user', 'subject', 'skill']) as dimensions (name)"
    )
    assert check("--notify").exit_code == 0
    assert hook.messages == []


def test_the_url_may_stand_in_a_file(firing: Pipeline, hook: Chat) -> None:
    file = firing.folder / "url"
    file.write_text(f"{hook.url}\n")
    told = check("--notify", "--json", ETL_ALERT_WEBHOOK_URL=None, ETL_ALERT_WEBHOOK_URL_FILE=str(file))
    assert (told.exit_code, told.stderr) == (1, "")
    assert len(json.loads(told.stdout)) == 6
    assert len(hook.messages) == 1


@pytest.mark.usefixtures("firing")
def test_the_task_sends_wherever_the_variable_is_set(
    task: RunCheck, hook: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    succeeded, log = task()
    assert not succeeded
    assert "6 alerts fire (failed: sync_dim_user" in log
    assert len(hook.messages) == 1
    monkeypatch.delenv("ETL_ALERT_WEBHOOK_URL")
    assert not task()[0]
    assert len(hook.messages) == 1


def test_a_warehouse_that_cannot_be_asked_is_told_too(
    task: RunCheck, hook: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("OLTP_DATABASE_URL", "WAREHOUSE_DATABASE_URL"):
        monkeypatch.setenv(variable, f"postgresql://etl:hidden@127.0.0.1:{free_port()}/nowhere")
    told = check("--notify")
    assert told.exit_code == 1
    assert "the warehouse can't be reached" in told.stderr
    assert not task()[0]
    assert ["can't look for alerts: the warehouse can't be reached" in text for text in hook.texts] == [True, True]
    assert "hidden" not in str(hook.messages)
    assert check().exit_code == 1
    assert len(hook.messages) == 2


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_tried_again(hook: Chat, status: int) -> None:
    hook.answers = [status, status]
    send()
    assert hook.texts == ["hello"] * 3


@pytest.mark.usefixtures("at_once")
def test_it_gives_up_after_four_attempts(hook: Chat) -> None:
    hook.answers = [503] * 10
    with pytest.raises(NotificationError, match=r"503 Service Unavailable, 4 times"):
        send()
    assert len(hook.messages) == 4


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("status", [302, 400, 403, 404, 410])
def test_a_refusal_is_not_tried_again(hook: Chat, status: int) -> None:
    hook.answers = [status]
    with pytest.raises(NotificationError, match=str(status)):
        send()
    assert len(hook.messages) == 1


@pytest.mark.usefixtures("at_once")
def test_a_server_that_is_down_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_ALERT_WEBHOOK_URL", f"http://127.0.0.1:{free_port()}{PATH}")
    with pytest.raises(NotificationError, match="refused, 4 times"):
        send()


def test_attempts_wait_longer_and_longer() -> None:
    state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
    waits = []
    for state.attempt_number in (1, 2, 3):
        waits.append(module._WAIT(state))
    assert 1 <= waits[0] <= 2 <= waits[1] <= 3 < 4 <= waits[2] <= 5


@pytest.mark.parametrize(
    "url", ["hooks.example.com/x", "ftp://host/x", "http:///x", "http://[x/y", "http://host:port/x"]
)
def test_a_url_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("ETL_ALERT_WEBHOOK_URL", url)
    with pytest.raises(ConfigurationError, match="ETL_ALERT_WEBHOOK_URL is no URL") as told:
        send()
    assert url not in str(told.value)


def test_a_webhook_that_cannot_be_used_is_told_before_it_is_needed_and_hides_no_alert(
    firing: Pipeline, task: RunCheck, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = check("--notify")
    assert command.exit_code == 1
    assert "sync_dim_user" in command.stdout
    unset = "aivo-etl: ETL_ALERT_WEBHOOK_URL is not set: it says where --notify sends what fires"
    assert command.stderr.splitlines() == [unset]
    monkeypatch.setenv("ETL_ALERT_WEBHOOK_URL", f"hooks.example.com{PATH}")
    succeeded, log = task()
    assert not succeeded
    assert "6 alerts fire" in log
    assert "ETL_ALERT_WEBHOOK_URL is no URL" in log
    firing.warehouse.execute("delete from etl_job_runs")
    assert check("--notify").exit_code == 1
    succeeded, log = task()
    assert not succeeded
    assert "ETL_ALERT_WEBHOOK_URL is no URL" in log
    assert TOKEN not in log


@pytest.mark.usefixtures("firing")
def test_a_webhook_that_fails_is_told_in_one_line_and_hides_no_alert(task: RunCheck, hook: Chat) -> None:
    hook.answers = [404, 404]
    command = check("--notify")
    assert command.exit_code == 1
    assert "sync_dim_user" in command.stdout
    (line,) = command.stderr.splitlines()
    assert "the webhook did not take the message (it answered 404 Not Found)" in line
    succeeded, log = task()
    assert not succeeded
    assert "6 alerts fire" in log
    assert "the webhook did not take the message" in log


def test_the_url_is_told_nowhere_also_with_details(firing: Pipeline, hook: Chat) -> None:
    variables = {"ETL_ALERT_WEBHOOK_URL": hook.url, "ETL_DEBUG": "true"}
    hook.answers = [404, 404]
    told = [aivo_etl("check", "--notify", **firing.environment, **variables), firing.luigi("Check", env=variables)]
    assert [process.returncode for process in told] == [1, 30]
    rows = json.dumps(firing.warehouse.rows("select * from etl_job_runs"), default=str)
    for process in told:
        assert "the webhook did not take the message" in process.stderr
        assert "Traceback" in process.stderr
        for hidden in (hook.url, PATH, TOKEN):
            assert hidden not in process.stdout + process.stderr + rows


def test_the_libraries_log_holds_no_url(hook: Chat, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("", "httpx", "httpcore", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    send()
    assert len(hook.messages) == 1
    assert TOKEN not in caplog.text
    assert hook.url not in caplog.text


def test_every_part_of_the_url_that_says_where_it_leads_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "ETL_ALERT_WEBHOOK_URL", "https://bot:open%20sesame@hooks.example.com/services/x/AbCdEfGhIjKlMn?k=v"
    )
    for text in (
        "https://bot:open%20sesame@hooks.example.com/services/x/AbCdEfGhIjKlMn?k=v",
        "/services/x/AbCdEfGhIjKlMn?k=v",
        "AbCdEfGhIjKlMn",
        "open sesame",
    ):
        assert redact(f"a {text} b") == "a *** b"
    assert describe(NotificationError("services at hooks.example.com")) == "services at hooks.example.com"


def test_httpx_is_not_imported_before_it_is_needed() -> None:
    code = "import sys, aivo_luigi.tasks, aivo_luigi.cli.check; print(sorted({'httpx', 'requests'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


# What leaves


@pytest.mark.parametrize(
    "spelling",
    [
        str(ANNA),
        str(ANNA).upper(),
        ANNA.hex,
        ANNA.hex.upper(),
        f"{{{ANNA}}}",
        ANNA.urn,
        "-".join(ANNA.hex[at : at + 4] for at in range(0, 32, 4)),
        f"({ANNA},{ANNA.hex})",
    ],
)
def test_an_id_is_masked_however_it_is_written(spelling: str) -> None:
    masked = mask_ids(f"learner {spelling} is wrong")
    assert "…" in masked
    assert str(ANNA)[:8] not in masked.lower()
    assert ANNA.hex[-8:] not in masked.lower()
    assert masked.startswith("learner ")
    assert masked.endswith(" is wrong")


def test_what_is_no_id_is_left_alone() -> None:
    text = "build_fact_sessions for 2025-03-11: 1234567 rows, SQLSTATE 57014, deadbeef"
    assert mask_ids(text) == text


def test_a_message_has_an_end() -> None:
    alert = Alert("failed", "sync_dim_user", DAY, "x" * 50_000 + f"\n{ANNA}", None)
    text = for_chat([alert] * 100)
    assert len(text) < 8_000
    assert len(text.splitlines()) == 23
    assert "and 80 more" in text


# Mail


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """A mail server, and the luigi.cfg that names it."""
    monkeypatch.setenv("SMTP_PASSWORD", "m4il-secret")
    with mailbox(tmp_path) as box:
        yield box


def test_the_check_mails_what_fires_in_one_line(firing: Pipeline, box: Mailbox) -> None:
    assert firing.luigi("Check", config=box.config).returncode == 30
    (mail,) = box.mails
    assert mail["To"] == "data@example.com, on-call@example.com"
    reason = text_of(mail).rstrip().splitlines()[-1]
    assert reason.startswith(
        f"6 alerts fire (failed: sync_dim_user for {DAY}: the last run failed: learner … & <others>;"
    )
    assert box.logins == [b"m4il-secret"]
    kept_to_itself(box)


@pytest.mark.parametrize(
    "task",
    [("BuildFactSessions", "--date", "2025-01-15"), ("RangeDaily", "--of", "BuildFactSessions", *RANGE)],
    ids=["a task", "a day of a batch"],
)
def test_a_job_that_fails_mails_why_in_one_line(
    pipeline: Pipeline, world: World, box: Mailbox, task: Sequence[str]
) -> None:
    pipeline.source.execute("alter table sessions alter learner_id drop not null")
    lesson = world.session(learner_id=None)
    assert pipeline.luigi(*task, config=box.config).returncode == 30
    assert str(lesson) in pipeline.warehouse.value("select error_message from etl_job_runs where status = 'FAILED'")
    (mail,) = box.mails
    assert re.search(r"BuildFactSessions\(.*date=2025-01-15\) FAILED", mail["Subject"])
    reason = text_of(mail).rstrip().splitlines()[-1]
    assert "build_fact_sessions for 2025-01-15 can't load 1 of 1 rows (…: " in reason
    kept_to_itself(box, lesson)


def test_what_cannot_be_scheduled_is_mailed_without_a_password(pipeline: Pipeline, box: Mailbox) -> None:
    gone = f"postgresql://etl:h1dden%2Fpart@127.0.0.1:{free_port()}/nowhere?password=h1dden%2Fpart"
    variables = {"OLTP_DATABASE_URL": gone, "WAREHOUSE_DATABASE_URL": gone, "ETL_DEBUG": "true"}
    assert pipeline.luigi("SyncDimSubject", "--etl-retry-seconds=0", config=box.config, env=variables).returncode == 35
    (mail,) = box.mails
    assert "the warehouse can't be reached" in text_of(mail)
    kept_to_itself(box)


def kept_to_itself(box: Mailbox, *ids: UUID) -> None:
    """No mail holds what it must not."""
    for mail in box.mails:
        for hidden in ("m4il-secret", "h1dden", TOKEN, *map(str, ids), str(ANNA), str(ANNA).upper()):
            assert hidden not in text_of(mail)


def test_luigid_gathers_failures_in_one_mail(firing: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As docs/operations.md says; but it sends whenever it looks, and not once an hour."""
    monkeypatch.setenv("SMTP_PASSWORD", "m4il-secret")
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    gathering = configparser.RawConfigParser()
    gathering.read_string(
        next(block for block in re.findall(r"```ini\n(.*?)```", text, re.S) if "batch_emails" in block)
    )
    sections = {name: dict(gathering[name]) for name in gathering.sections()}
    assert sections["batch_email"]["email_interval"] == "60"
    sections["batch_email"]["email_interval"] = "0"
    with mailbox(tmp_path, **sections) as box:
        luigid = Luigid(tmp_path, box.config)
        try:
            for _ in range(2):
                assert firing.luigi("Check", config=luigid.config).returncode == 30
            assert box.mails == []
            urlopen(f"{luigid.url}/api/prune", timeout=10).close()
        finally:
            luigid.stop()
    assert {mail["To"] for mail in box.mails} == {"data@example.com", "on-call@example.com"}
    assert len(box.mails) == 2
    heading, task, _, reason = text_of(box.mails[0]).rstrip().splitlines()
    assert heading.startswith("Luigi: 2 failures in the last")
    assert task == "- Check (2 failures)"
    assert reason.strip().startswith("6 alerts fire (failed: sync_dim_user for 2025-03-11")
    kept_to_itself(box)
