"""The pipeline as its users start it: a process of its own, with the two URLs in its environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

REPOSITORY = Path(__file__).parents[1]


def command(*arguments: str) -> list[str]:
    """`luigi --module aivo_luigi …` of this Python."""
    return [sys.executable, "-m", "luigi", "--module", "aivo_luigi", *arguments]


def environment(source_url: str, warehouse_url: str, root: Path = REPOSITORY) -> dict[str, str]:
    """The environment in which the code of `root` runs between two databases, with bytecode, as installed code does."""
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return own | {
        "OLTP_DATABASE_URL": source_url,
        "WAREHOUSE_DATABASE_URL": warehouse_url,
        "PYTHONPATH": str(root),
        "LUIGI_CONFIG_PATH": str(root / "luigi.cfg"),
    }


def migrate(root: Path, warehouse_url: str) -> None:
    """Makes the warehouse's schema with the migrations of `root`."""
    done = subprocess.run(
        [sys.executable, "-c", "from aivo_luigi.cli import main; main()", "migrate"],
        env=environment(warehouse_url, warehouse_url, root),
        capture_output=True,
        text=True,
        check=False,
        cwd=root,
    )
    if done.returncode:
        raise click.ClickException(f"migrating failed: {done.stderr.strip()}")
