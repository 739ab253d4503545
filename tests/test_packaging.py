"""The wheel: SQL, settings and data travel in it, and it works away from the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
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
    expected |= {str(path.relative_to(ROOT)) for path in (ROOT / "aivo_luigi/report/templates").iterdir()}
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


def test_the_wheel_holds_the_files_as_they_are_and_nothing_twice(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert len(names) == len(set(names))
        for name in names:
            if name.startswith("aivo_luigi/"):
                assert archive.read(name) == (ROOT / name).read_bytes(), name
        modules = {str(path.relative_to(ROOT)) for path in (ROOT / "aivo_luigi").rglob("*.py")}
        assert modules == {name for name in names if name.endswith(".py")}
        about = archive.read(next(name for name in names if name.endswith("METADATA"))).decode()
    assert "Requires-Python: >=3.10" in about
    assert "Requires-Dist: luigi" in about


@pytest.fixture(scope="module")
def fresh(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel installed; what it depends on is that of the tests."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=60)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run([*pip, str(wheel)], env=clean, check=True, capture_output=True, timeout=120)
    packages = Path(sysconfig.get_path("platlib", vars={"base": str(folder), "platbase": str(folder)}))
    # A folder that is named in a .pth file comes after the environment's own, and its own .pth files aren't read:
    # the editable installation in it stays unseen.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("platlib") + "\n")
    return folder


def test_an_installation_works_in_an_empty_folder(fresh: Path, pipeline: Pipeline, world: World) -> None:
    world.tenant()
    world.learner()
    for number, day in enumerate(days(FIRST, 3)):
        world.session(f"session {number}", started_at=datetime(day.year, day.month, day.day, 9, tzinfo=timezone.utc))
    python = str(fresh / "bin" / "python")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LUIGI"))}

    def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env={**clean, **pipeline.environment, **environment},
            cwd=pipeline.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    package = Path(run(python, "-c", "import aivo_luigi; print(aivo_luigi.__file__)").stdout.strip()).parent
    assert package.is_relative_to(fresh)
    luigi = [python, str(Path(sys.executable).with_name("luigi")), "--module", "aivo_luigi"]
    config = str(package / "luigi.cfg")
    for day in days(FIRST, 3):
        done = run(*luigi, "RunAll", "--date", str(day), LUIGI_CONFIG_PATH=config)
        assert done.returncode == 0, done.stderr
    ran = runs(pipeline.warehouse)
    assert len(ran) == 5 + 3 * 5
    for day in days(FIRST, 3):
        assert run(*luigi, "RunAll", "--date", str(day), LUIGI_CONFIG_PATH=config).returncode == 0
    assert pipeline.warehouse.rows("select * from etl_job_runs order by started_at") == ran
    assert pipeline.warehouse.column("select date_key from fact_sessions order by 1") == [20250114, 20250115, 20250116]
    shown = run(str(fresh / "bin" / "aivo-etl"), "status", "--most", "1")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "build_fact_" in shown.stdout
    assert list(pipeline.folder.iterdir()) == []


def test_an_installation_migrates_an_empty_warehouse(fresh: Path, empty_url: str, tmp_path: Path) -> None:
    migrated = subprocess.run(
        [str(fresh / "bin" / "aivo-etl"), "migrate"],
        env={"OLTP_DATABASE_URL": empty_url, "WAREHOUSE_DATABASE_URL": empty_url},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (migrated.returncode, migrated.stderr) == (0, "")
    assert all(path.stem in migrated.stdout for path in (ROOT / "sql" / "warehouse").glob("*.sql"))
