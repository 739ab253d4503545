"""Commands that begin at once: processes forked from one that has imported everything already.

Each is a process group of its own with its own environment, folder and output, and does what the script `luigi` or
`aivo-etl` does. What an import does, or costs, or the end of Python, is tested with commands that are started afresh.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

_TESTS = Path(__file__).parents[1]


@dataclass
class Run:
    """A command under way."""

    zygote: Zygote
    pid: int
    log: Path
    code: int | None = None

    def kill(self, number: int = signal.SIGKILL, group: bool = False) -> None:
        """Sends a signal, to its children, too, if `group`; once it is known to have ended, to nobody."""
        if self.code is not None and not group:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number) if group else os.kill(self.pid, number)

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""
        return self.wait(0)

    def wait(self, timeout: float) -> int | None:
        """Its exit code (negative: the signal that killed it), or None if it has not ended in time."""
        if self.code is None and timeout:
            ending = os.pidfd_open(self.pid)
            select.select([ending], [], [], timeout)
            os.close(ending)
        if self.code is None:
            self.code = self.zygote.ask(wait=self.pid)
        return self.code

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")


class Zygote:
    """The process that has imported all that `luigi`, or `aivo-etl`, imports, and how it is spoken to."""

    def __init__(self, program: str = "luigi") -> None:
        self._one_at_a_time = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"from support.zygote import serve; serve({program!r})"],
            cwd="/",
            env={
                **{name: value for name, value in os.environ.items() if name != "LUIGI_CONFIG_PATH"},
                "PYTHONPATH": os.pathsep.join([str(_TESTS), str(_TESTS.parent)]),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def start(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        *,
        errors: Path | None = None,
        folder: Path | str = "/",
    ) -> Run:
        """Begins a command, or where the first argument is `exec` the program that follows.

        `environment` is all that it has, `folder` where it runs; standard error goes to `errors`, else to `log`, too.
        """
        asked = {"log": str(log), "errors": str(errors or log), "folder": str(folder)}
        return Run(self, int(self.ask(start=list(arguments), environment=dict(environment), **asked)), log)

    def run(
        self, command: Sequence[str], environment: Mapping[str, str], folder: Path | str, timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """As subprocess.run does it, output captured; `command` begins with the script's name."""
        with tempfile.TemporaryDirectory() as files:
            log, errors = Path(files, "log"), Path(files, "errors")
            run = self.start(command[1:], environment, log, errors=errors, folder=folder)
            code = run.wait(timeout)
            if code is None:
                run.kill(signal.SIGKILL, group=True)
                run.wait(10)
                raise subprocess.TimeoutExpired(command, timeout, log.read_bytes(), errors.read_bytes())
            return subprocess.CompletedProcess(command, code, log.read_text(), errors.read_text())

    def ask(self, **what: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._one_at_a_time:
            self._process.stdin.write(json.dumps(what) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


@lru_cache
def zygote_of(program: str) -> Zygote:
    """The one of this test process, begun when it is first needed; it ends when this process does."""
    zygote = Zygote(program)
    atexit.register(zygote.close)
    return zygote


# What follows runs in the zygote and in the commands.


def _runs() -> None:
    """What a run imports when it comes to it."""
    import _strptime  # noqa: F401
    import multiprocessing.popen_fork
    import multiprocessing.queues  # noqa: F401

    import yoyo.backends.core.postgresql  # noqa: F401


def _luigi() -> Callable[[], object]:
    import luigi.cmdline

    import aivo_luigi  # noqa: F401

    _runs()
    return lambda: luigi.cmdline.luigi_run(sys.argv[1:])


def _aivo_etl() -> Callable[[], object]:
    import luigi.cmdline  # noqa: F401
    import psycopg2.extras  # noqa: F401
    import rich._emoji_codes
    import rich.live
    import rich.progress
    import rich.table  # noqa: F401

    import aivo_luigi.cli
    import aivo_luigi.command
    import aivo_luigi.monitoring.print_alerts
    import aivo_luigi.tables
    import aivo_luigi.warehouse.migrations

    for module in ("backfill", "late", "plan", "print_plan", "rejects", "retention", "run", "settings", "status"):
        importlib.import_module(f"aivo_luigi.operate.{module}")
    _runs()
    return aivo_luigi.command.main


def serve(program: str) -> None:
    """Forks a command for each line that asks for one; tells the codes of those that have ended."""
    script = Path(sys.executable).with_name(program)
    sys.argv, sys.path[0] = [str(script)], str(script.parent)  # aivo_luigi looks at its name when it is imported
    command = {"luigi": _luigi, "aivo-etl": _aivo_etl}[program]()
    gc.collect()
    gc.freeze()
    codes: dict[int, int] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        if "start" in asked:
            pid = os.fork()
            if pid == 0:
                _become(command, **asked)
            codes.pop(pid, None)  # the number of one that ended long ago is given away again
            print(pid, flush=True)
        else:
            print(json.dumps(_code(asked["wait"], codes)), flush=True)


def _code(pid: int, codes: dict[int, int]) -> int | None:
    if pid not in codes:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if not ended:
            return None
        codes[pid] = os.waitstatus_to_exitcode(status)
    return codes[pid]


def _become(
    command: Callable[[], object],
    start: list[str],
    environment: dict[str, str],
    log: str,
    errors: str,
    folder: str,
) -> None:
    """Goes on as the command, and ends as it does."""
    os.setsid()
    os.chdir(folder)
    _redirect(log, errors)
    faulthandler.enable()
    if start[0:1] == ["exec"]:
        os.execve(start[1], start[1:], environment)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    _read_configuration_anew()
    sys.argv[1:] = start
    _end(command)


def _end(command: Callable[[], object]) -> None:
    """Ends as Python does, but for the taking apart of what was imported, which takes longer than many a command."""
    try:
        code = command()
    except SystemExit as ended:
        code = ended.code
    if not isinstance(code, int | None):
        sys.exit(code)  # words, which Python prints
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


def _redirect(log: str, errors: str) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for stream, name in ((1, log), (2, errors)):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), stream)


def _read_configuration_anew() -> None:
    """Luigi reads it when it is imported: as the environment and the folder of the command have it."""
    from luigi.configuration import LuigiConfigParser, add_config_path

    LuigiConfigParser.reload()
    if path := os.environ.get("LUIGI_CONFIG_PATH"):
        add_config_path(path)
