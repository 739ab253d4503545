"""Runs tasks as the command luigi would, watched: the same scheduler, the same workers, the same exit codes."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import luigi
import luigi.execution_summary
import luigi.interface
import psycopg2
from luigi.configuration import get_config
from luigi.retcodes import retcode
from luigi.rpc import RPCError

import aivo_luigi
from aivo_luigi import listener
from aivo_luigi.db import connect_warehouse
from aivo_luigi.db.connection import sever_connections
from aivo_luigi.errors import ConfigurationError, EtlError, debugging, describe
from aivo_luigi.jobs.parameters import how_to_go_on
from aivo_luigi.jobs.signals import heed_signals
from aivo_luigi.jobs.task import Job
from aivo_luigi.logs import speak_in_one_line
from aivo_luigi.operate.board import Key

INTERRUPTED = 130
_OURS = Path(aivo_luigi.__file__).parent
_CLOSING = 5.0  # seconds to wait for the server to see that an interrupted run is no more

_broken: dict[str, str] = {}
_interrupted = threading.Event()


def build(tasks: Sequence[luigi.Task], workers: int | None) -> tuple[int, dict[Key, str]]:
    """Runs the tasks; returns the exit code of [retcode], and why jobs failed that have no run row to say so.

    `workers`: None for what section [core] says. Raises ConfigurationError when luigid can't be reached.
    """
    factory = _RememberingFactory()
    options = {"workers": workers} if workers else {}
    _broken.clear()
    with warnings.catch_warnings():
        # Luigi's own key default-scheduler-url, in the spelling of its documentation, makes it warn.
        warnings.simplefilter("ignore", luigi.parameter.UnconsumedParameterWarning)
        try:
            result = luigi.build(list(tasks), detailed_summary=True, worker_scheduler_factory=factory, **options)
        except RPCError as error:
            raise ConfigurationError(
                f"luigid can't be reached ({error}): start it, or check default-scheduler-url in section [core]"
            ) from error
    groups = luigi.execution_summary._summary_dict(result.worker)
    failed = groups["failed"] | groups["scheduling_error"]
    why = {task: _broken.get(task.task_id) or factory.reason(task) for task in failed}
    reasons = {(task.job_name(), task.date): reason for task, reason in why.items() if isinstance(task, Job)}
    others = [reason for task, reason in why.items() if not isinstance(task, Job)]
    for reason in dict.fromkeys(others):
        if reason and reason not in reasons.values():
            logging.getLogger("luigi-interface").error(reason, stacklevel=1)
    return _exit_code(tasks, groups), {key: reason for key, reason in reasons.items() if reason}


def _exit_code(tasks: Sequence[luigi.Task], groups: dict[str, set[luigi.Task]]) -> int:
    """As the command luigi tells it: the highest code of what happened."""
    codes = retcode()
    happened = {
        "still_pending_ext": codes.missing_data,
        "failed": codes.task_failed,
        "run_by_other_worker": codes.already_running,
        "scheduling_error": codes.scheduling_error,
        "not_run": codes.not_run,
    }
    worst = max((code for group, code in happened.items() if groups.get(group)), default=0)
    finished = groups["completed"] | groups["already_done"]
    return int(worst or (0 if finished.issuperset(tasks) else codes.not_run))


class _RememberingFactory(luigi.interface._WorkerSchedulerFactory):
    """Luigi's own, which remembers the scheduler: it knows why a task failed in another process."""

    def create_worker(self, scheduler: Any, worker_processes: int, assistant: bool = False) -> Any:
        """Luigi's worker, which gets no more work once the run is interrupted."""
        self._scheduler, get_work = scheduler, scheduler.get_work

        def get_work_unless_interrupted(**asked: Any) -> Any:
            if _interrupted.is_set():
                raise KeyboardInterrupt
            return get_work(**asked)

        scheduler.get_work = get_work_unless_interrupted
        worker = luigi.interface._WorkerSchedulerFactory.create_worker(self, scheduler, worker_processes, assistant)
        heed_signals(goes_on=True)
        return worker

    def reason(self, task: luigi.Task) -> str:
        """What on_failure said of the task, which Luigi keeps as JSON."""
        said = self._scheduler.fetch_error(task.task_id).get("error")
        return str(json.loads(said)) if said else ""


@luigi.Task.event_handler(luigi.Event.BROKEN_TASK)  # type: ignore[untyped-decorator]
def _remember_broken(task: luigi.Task, error: BaseException) -> None:
    _broken[task.task_id] = describe(error)


@contextmanager
def own_log(tell: Callable[[str], None]) -> Iterator[None]:
    """Luigi's log through `tell`: our warnings, what is told, and that luigid doesn't answer; all of it with ETL_DEBUG.

    Tasks in other processes write to a pipe, which this one reads, so that nobody tears the display.
    """
    log, config = logging.getLogger("luigi-interface"), get_config()
    speak_in_one_line()
    config.set("core", "no_configure_logging", "true")
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w", buffering=1)
    handler = logging.StreamHandler(stream)
    if not debugging():
        handler.addFilter(lambda record: Path(record.pathname).is_relative_to(_OURS) or record.module == "rpc")
    before, level, propagate = log.handlers, log.level, log.propagate
    log.handlers, log.propagate = [handler], False
    log.setLevel(logging.DEBUG if debugging() else logging.WARNING)
    log.getChild("told").setLevel(logging.INFO)
    reader = threading.Thread(target=_tell_lines, args=(reading, tell), name="log", daemon=True)
    reader.start()
    try:
        yield
    finally:
        log.handlers, log.propagate = before, propagate
        log.setLevel(level)
        stream.close()
        reader.join(timeout=1)


def _tell_lines(reading: int, tell: Callable[[str], None]) -> None:
    with os.fdopen(reading, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            tell(line.rstrip("\n"))


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C ends this process, which ends its workers: they don't each tell of it. What it raises says how to go on.

    Connections are cut first, from another thread: while the main one waits for a server, Python calls no handler.
    Where Python ignores what a handler raises, as it does while it forks, the next task is the one that doesn't begin.
    """
    _interrupted.clear()
    ours = os.getpid()

    def interrupt(number: int, frame: object) -> None:
        if os.getpid() == ours:
            _interrupted.set()
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    listener.react(signal.SIGINT, sever_connections)
    hook, sys.unraisablehook = sys.unraisablehook, _say_nothing_of_interrupts
    try:
        yield
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _close_what_ran()
        raise KeyboardInterrupt(how_to_go_on()) from None
    finally:
        sys.unraisablehook = hook
        listener.ignore(signal.SIGINT)
        signal.signal(signal.SIGINT, before)


def _say_nothing_of_interrupts(ignored: Any) -> None:
    if not isinstance(ignored.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(ignored)


def _close_what_ran() -> None:
    """Closes the rows of ended workers, as the next run would, once the server has given their locks back."""
    until = time.monotonic() + _CLOSING
    with suppress(psycopg2.Error, EtlError):
        while time.monotonic() < until:
            with connect_warehouse("aivo-etl interrupted") as warehouse:
                warehouse.file("runs/abandon.sql")
                if not warehouse.value("select count(*) from etl_recent_runs where status = 'RUNNING'"):
                    return
            time.sleep(0.1)
