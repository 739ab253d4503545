"""The command aivo-etl as its users meet it: a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from support.zygote import zygote_of

PACKAGE = Path(__file__).parents[2]
AIVO_ETL = str(Path(sys.executable).with_name("aivo-etl"))


def environment(**variables: str) -> dict[str, str]:
    """Not this process's, but this package, and a wide terminal."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(PACKAGE), "COLUMNS": "250", **variables}


def aivo_etl(*arguments: str, timeout: float = 60, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command, away from the repository and from this process's environment."""
    return zygote_of("aivo-etl").run([AIVO_ETL, *arguments], environment(**variables), "/", timeout)


def aivo_etl_afresh(*arguments: str, timeout: float = 60, **variables: str) -> subprocess.CompletedProcess[str]:
    """The same, started as a shell starts it."""
    return subprocess.run(
        [AIVO_ETL, *arguments],
        env=environment(**variables),
        cwd="/",
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
