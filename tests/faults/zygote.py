"""Runs of the command luigi that begin at once: processes forked from one that has imported everything already.

Each is a process group of its own with its own environment and log, and runs what the command `luigi` runs; where the
first argument is `exec`, the program that follows.
"""

from __future__ import annotations

import faulthandler
import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass
class Run:
    """A command under way."""

    zygote: Zygote
    pid: int
    log: Path

    def kill(self, number: int, group: bool = False) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number) if group else os.kill(self.pid, number)

    def wait(self, timeout: float) -> int | None:
        """Its exit code (negative: the signal that killed it), or None if it has not ended in time."""
        until = time.monotonic() + timeout
        while (code := self.zygote.ask(wait=self.pid)) is None and time.monotonic() < until:
            time.sleep(0.01)
        return code

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")


class Zygote:
    """The process that has imported everything, and how it is spoken to."""

    def __init__(self, config: Path) -> None:
        """`config`: the luigi.cfg of all its runs, for Luigi reads it once, when it is imported."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.zygote"],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "LUIGI_CONFIG_PATH": str(config)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Run:
        pid = self.ask(start=list(arguments), environment=dict(environment), log=str(log))
        return Run(self, int(pid), log)

    def ask(self, **what: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


def main() -> None:
    import luigi.cmdline  # noqa: F401

    import aivo_luigi  # noqa: F401

    codes: dict[int, int] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        if "start" in asked:
            pid = _fork(asked["start"], asked["environment"], asked["log"])
            codes.pop(pid, None)  # the number of a process that ended long ago is given away again
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


def _fork(arguments: list[str], environment: dict[str, str], log: str) -> int:
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            os.setsid()
            _redirect(log)
            faulthandler.enable()
            if arguments[0] == "exec":
                os.execve(arguments[1], arguments[1:], environment)
            os.environ.update(environment)
            code = _luigi(arguments)
        finally:
            os._exit(code)
    return pid


def _redirect(log: str) -> None:
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)


def _luigi(arguments: list[str]) -> int:
    from luigi.cmdline import luigi_run

    try:
        luigi_run(["--module", "aivo_luigi", *arguments])
    except SystemExit as ended:
        sys.stderr.flush()
        return int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    return 1


if __name__ == "__main__":
    main()
