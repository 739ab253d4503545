""".ci/run and .ci/beside, with stubs for all that takes long: Python's environment, and what is called out of it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from conftest import REPOSITORY

# `python3 -m venv .venv`: whatever is called out of .venv/bin ends well, unless $FAILING says it and where it runs. The
# tests that run beside clean up when they are interrupted, which takes them a moment.
PYTHON3 = """#!/usr/bin/env bash
mkdir -p .venv/bin
for tool in pip luigi ruff hadolint mypy sqlfluff python; do
    cp "$0.tool" ".venv/bin/$tool"
done
"""
TOOL = """#!/usr/bin/env bash
case $PWD in */copy) name=beside-${0##*/} ;; *) name=main-${0##*/} ;; esac
if [ "$name" = beside-python ] && [ "$FAILING" = main-luigi ]; then
    trap 'sleep 0.5; touch "$NOTES/cleaned"; exit 2' INT
    touch "$NOTES/testing"
    for _ in {1..100}; do sleep 0.1; done
fi
while [ "$name" = main-luigi ] && [ "$FAILING" = main-luigi ] && [ ! -e "$NOTES/testing" ]; do sleep 0.1; done
[ "$name" != "$FAILING" ] || { echo "$name has failed"; exit 3; }
"""


def ci_run(folder: Path, failing: str = "") -> subprocess.CompletedProcess[str]:
    project, stubs = folder / "project", folder / "stubs"
    shutil.copytree(REPOSITORY / ".ci", project / ".ci")
    shutil.copy(REPOSITORY / "README.md", project)
    stubs.mkdir()
    (folder / "temporary").mkdir()
    for name, text in {"python3": PYTHON3, "python3.tool": TOOL, "apt-get": "#!/bin/sh\n"}.items():
        (stubs / name).write_text(text)
        (stubs / name).chmod(0o755)
    environment = os.environ | {
        "PATH": f"{stubs}:{os.environ['PATH']}",
        "TMPDIR": str(folder / "temporary"),
        "NOTES": str(folder),
        "FAILING": failing,
    }
    return subprocess.run(
        [project / ".ci/run"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        preexec_fn=heed_ctrl_c,
    )


def heed_ctrl_c() -> None:
    """What a shell starts in its background ignores SIGINT, and so does all that this starts: perhaps these tests."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ci_passes_where_everything_passes(tmp_path: Path) -> None:
    done = ci_run(tmp_path)

    assert done.returncode == 0, done.stdout
    assert "sqlfluff lint" in done.stdout


@pytest.mark.parametrize("failing", ["main-python", "beside-pip", "beside-mypy", "beside-sqlfluff", "beside-python"])
def test_a_failure_is_shown_and_ends_ci_with_another_code(tmp_path: Path, failing: str) -> None:
    done = ci_run(tmp_path, failing)

    assert done.returncode == 1
    assert f"{failing} has failed" in done.stdout


def test_where_the_first_command_fails_the_tests_beside_clean_up_before_the_end(tmp_path: Path) -> None:
    done = ci_run(tmp_path, "main-luigi")

    assert done.returncode == 3
    assert "main-luigi has failed" in done.stdout
    assert (tmp_path / "cleaned").exists()
    assert not list((tmp_path / "temporary").iterdir())
