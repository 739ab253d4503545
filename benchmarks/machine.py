"""On what was measured: versions and machine, without names or paths."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.pipeline import REPOSITORY
from benchmarks.servers import Server


def about(benchmark: str, source: Server, warehouse: Server, **settings: Any) -> dict[str, Any]:
    """The head of a report; to be made before the measurements, so that the load is that of others."""
    return {
        "benchmark": benchmark,
        "settings": settings,
        "versions": versions(source, warehouse),
        "machine": machine(),
    }


def versions(source: Server, warehouse: Server) -> dict[str, str]:
    """The versions of all that takes part."""
    postgresql = {source.version, warehouse.version}
    return {
        "aivo_luigi": commit(),
        "postgresql": " and ".join(sorted(postgresql)),
        "python": platform.python_version(),
        "luigi": version("luigi"),
        "psycopg2": version("psycopg2-binary"),
    }


def commit(root: Path = REPOSITORY) -> str:
    """The commit that is checked out, marked where files were changed since."""
    described = _git(root, "describe", "--always", "--dirty=+changes", "--exclude=*", "--abbrev=10")
    return described or f"version {version('aivo_luigi')}"


def machine() -> dict[str, Any]:
    """Cores, memory, processor and system; and the load of the last minute, which should be near 0 at the start."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(memory / 2**30, 1),
        "processor": _processor(),
        "system": platform.system(),
        "load": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    """The processor's model, where the system tells it."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip() if not done.returncode else ""
