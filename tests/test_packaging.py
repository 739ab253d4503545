"""The wheel: SQL, settings and data travel in it, and it works away from the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from support.pipeline import Pipeline
from support.runs import days, runs
from support.world import World

ROOT = Path(__file__).parents[1]
FIRST = date(2025, 1, 14)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    kept = shutil.ignore_patterns(".git", ".venv", "build", "*.egg-info", ".*_cache", "__pycache__")
    shutil.copytree(ROOT, tree, symlinks=True, ignore=kept)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(tree)], check=True, capture_output=True, timeout=120)
    (built,) = folder.glob("aivo_luigi-*.whl")
    return built


def test_the_wheel_holds_every_sql_file(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    expected = {f"aivo_luigi/{path.relative_to(ROOT)}" for path in (ROOT / "sql").rglob("*") if path.is_file()}
    assert expected | {"aivo_luigi/luigi.cfg", "aivo_luigi/py.typed"} <= inside
    assert not [name for name in inside if name.startswith(("tests", "k8s", "docs", "benchmarks"))]


def test_an_installed_package_builds_three_days_and_leaves_them_alone(
    wheel: Path, pipeline: Pipeline, world: World, tmp_path: Path
) -> None:
    world.tenant()
    world.learner()
    for number, day in enumerate(days(FIRST, 3)):
        world.session(f"session {number}", started_at=datetime(day.year, day.month, day.day, 9, tzinfo=timezone.utc))
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    environment = {
        **os.environ,
        **pipeline.environment,
        "PYTHONPATH": str(installed),
        "LUIGI_CONFIG_PATH": str(installed / "aivo_luigi" / "luigi.cfg"),
    }

    def luigi(*arguments: str) -> int:
        command = [str(Path(sys.executable).with_name("luigi")), "--module", "aivo_luigi", *arguments]
        return subprocess.run(
            command, env=environment, cwd=pipeline.folder, capture_output=True, timeout=120, check=False
        ).returncode

    where = subprocess.run(
        [sys.executable, "-c", "import aivo_luigi; print(aivo_luigi.__file__)"],
        env=environment, cwd=pipeline.folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert where.stdout.startswith(str(installed))
    stop = FIRST + timedelta(days=3)
    for _ in range(2):
        assert luigi("RangeDaily", "--of", "RunAll", "--start", str(FIRST), "--stop", str(stop)) == 0
        assert len(runs(pipeline.warehouse)) == 5 + 3 * 5
    assert pipeline.warehouse.column("select date_key from fact_sessions order by 1") == [20250114, 20250115, 20250116]
