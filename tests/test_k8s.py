"""The manifests of k8s/: valid, safe to run side by side, and their commands run as they stand."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import luigi
import pytest
import yaml
from luigi.tools.range import RangeDaily
from support.luigid import Luigid
from support.pipeline import Pipeline
from support.server import free_port
from support.world import World

ROOT = Path(__file__).parent.parent
K8S = ROOT / "k8s"
KUBERNETES_VERSIONS = ["1.28", "1.31", kubernetes_validate.latest_version()]
DIMENSION_JOBS = {
    "sync_dim_tenant",
    "sync_dim_learner",
    "sync_dim_user",
    "sync_dim_subject",
    "sync_dim_skill",
}
FACT_JOBS = {
    "build_fact_sessions",
    "build_fact_focus_events",
    "build_fact_homework_events",
    "build_fact_learning_progress",
    "build_fact_recommendation_events",
}
# What a container is given, and what the cluster has for it.
SECRET_KEYS = {"OLTP_DATABASE_URL": "oltp-url", "WAREHOUSE_DATABASE_URL": "warehouse-url"}

Manifest = dict[str, Any]


def read_manifests() -> dict[str, Manifest]:
    """All manifests of the folder, the README's among them, by file, kind and name."""
    sources = [(path.name, path.read_text(encoding="utf-8")) for path in sorted(K8S.glob("*.yaml"))]
    readme = (K8S / "README.md").read_text(encoding="utf-8")
    sources += [("README.md", block) for block in re.findall(r"^```yaml\n(.*?)^```$", readme, re.S | re.M)]
    return {
        f"{source}-{manifest['kind']}-{manifest['metadata']['name']}": manifest
        for source, text in sources
        for manifest in yaml.safe_load_all(text)
    }


MANIFESTS = read_manifests()
CRONJOBS = {m["metadata"]["name"]: m for m in MANIFESTS.values() if m["kind"] == "CronJob"}


def the(kind: str, name: str) -> Manifest:
    found = [m for m in MANIFESTS.values() if (m["kind"], m["metadata"]["name"]) == (kind, name)]
    assert len(found) == 1, f"{len(found)} manifests of {kind} {name}"
    return found[0]


def pod_of(manifest: Manifest) -> Manifest:
    """The pod that a CronJob, Job or Deployment makes."""
    spec = manifest["spec"]
    if manifest["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    pod: Manifest = spec["template"]["spec"]
    return pod


def container_of(manifest: Manifest) -> Manifest:
    (container,) = pod_of(manifest)["containers"]
    return dict(container)


def argv_of(manifest: Manifest) -> list[str]:
    """The command that is run behind the image's entrypoint."""
    container = container_of(manifest)
    return [*container.get("command", []), *container["args"]]


ETL_PODS = {name: m for name, m in MANIFESTS.items() if m["kind"] in ("CronJob", "Job")}
ALL_PODS = {name: m for name, m in MANIFESTS.items() if m["kind"] in ("CronJob", "Job", "Deployment")}


def test_the_folder_holds_the_three_cron_jobs() -> None:
    assert set(CRONJOBS) == {"etl-dimensions", "etl-facts", "etl-full-day", "etl-late-data"}


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
@pytest.mark.parametrize("name", MANIFESTS)
def test_every_manifest_is_valid_to_kubernetes(name: str, version: str) -> None:
    used = kubernetes_validate.validate(MANIFESTS[name], version, strict=True)
    assert version.startswith(used), f"no schemas of Kubernetes {version}: those of {used} were used"


def test_an_unknown_field_is_not_valid() -> None:
    """The validation above is strict: a misspelt key would be found."""
    wrong = {**CRONJOBS["etl-facts"], "spec": {**CRONJOBS["etl-facts"]["spec"], "timezone": "Etc/UTC"}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES_VERSIONS[0], strict=True)


# When


@pytest.mark.parametrize("name", CRONJOBS)
def test_schedules_are_in_utc(name: str) -> None:
    assert CRONJOBS[name]["spec"]["timeZone"] == "Etc/UTC"


@pytest.mark.parametrize("name", CRONJOBS)
def test_a_cron_job_never_runs_twice_at_once_nor_for_ever(name: str) -> None:
    spec = CRONJOBS[name]["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["startingDeadlineSeconds"] > 10  # the controller looks every ten seconds
    assert spec["jobTemplate"]["spec"]["activeDeadlineSeconds"] > 0
    assert spec["jobTemplate"]["spec"]["backoffLimit"] >= 1
    assert {"successfulJobsHistoryLimit", "failedJobsHistoryLimit"} <= set(spec)


def starts(schedule: str) -> set[tuple[int, int]]:
    """The hours and minutes of a day at which a plain daily or hourly schedule starts."""
    minute, hour, *rest = schedule.split()
    assert rest == ["*", "*", "*"], f"{schedule}: a schedule that this test can't read"
    return {(h, int(minute)) for h in (range(24) if hour == "*" else [int(hour)])}


def test_no_two_cron_jobs_start_in_the_same_minute() -> None:
    minutes = [start for cronjob in CRONJOBS.values() for start in starts(cronjob["spec"]["schedule"])]
    assert len(minutes) == len(set(minutes))


def test_the_documented_schedules_are_kept() -> None:
    """Dimensions hourly, facts daily at 02:00, the full pipeline daily at 03:00."""
    assert len(starts(CRONJOBS["etl-dimensions"]["spec"]["schedule"])) == 24
    assert starts(CRONJOBS["etl-facts"]["spec"]["schedule"]) == {(2, 0)}
    assert starts(CRONJOBS["etl-full-day"]["spec"]["schedule"]) == {(3, 0)}
    assert starts(CRONJOBS["etl-late-data"]["spec"]["schedule"]) == {(5, 0)}


# With what


@pytest.mark.parametrize("name", ETL_PODS)
def test_the_urls_come_only_from_the_secret(name: str) -> None:
    env = {entry["name"]: entry for entry in container_of(ETL_PODS[name])["env"]}
    for variable, key in SECRET_KEYS.items():
        assert env[variable] == {
            "name": variable,
            "valueFrom": {"secretKeyRef": {"name": "db-secrets", "key": key}},
        }
    assert {variable for variable, entry in env.items() if "value" in entry} == {"LUIGI_CONFIG_PATH"}


def test_the_example_secret_has_exactly_the_keys_in_use_and_no_real_host() -> None:
    data = the("Secret", "db-secrets")["stringData"]
    assert set(data) == set(SECRET_KEYS.values())
    assert all("EXAMPLE" in url and ".example.invalid" in url for url in data.values())


def test_no_manifest_but_the_example_holds_a_url_of_a_database() -> None:
    for path in K8S.iterdir():
        if path.name != "secret.example.yaml":
            assert "postgres://" not in path.read_text(encoding="utf-8")
            assert "postgresql://" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ALL_PODS)
def test_luigi_cfg_is_mounted_where_luigi_looks_for_it(name: str) -> None:
    container, pod = container_of(ALL_PODS[name]), pod_of(ALL_PODS[name])
    path = {entry["name"]: entry.get("value") for entry in container["env"]}["LUIGI_CONFIG_PATH"]
    (mount,) = [mount for mount in container["volumeMounts"] if mount["mountPath"] == os.path.dirname(path)]
    (volume,) = [volume for volume in pod["volumes"] if volume["name"] == mount["name"]]
    assert os.path.basename(path) in the("ConfigMap", volume["configMap"]["name"])["data"]


@pytest.mark.parametrize("name", ALL_PODS)
def test_the_image_is_the_one_of_this_version(name: str) -> None:
    version = re.search(r'^    version="(.+)",$', (ROOT / "setup.py").read_text(encoding="utf-8"), re.M)
    assert version is not None
    assert container_of(ALL_PODS[name])["image"] == f"aivo/aivo-luigi:{version[1]}"


@pytest.mark.parametrize("name", ETL_PODS)
def test_a_failed_attempt_keeps_its_log(name: str) -> None:
    assert pod_of(ETL_PODS[name])["restartPolicy"] == "Never"


# luigi.cfg


def parse(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    return parser


def settings(text: str) -> dict[tuple[str, str], str]:
    parser = parse(text)
    return {(section, key): value for section in parser.sections() for key, value in parser[section].items()}


def cluster_cfg() -> str:
    return str(the("ConfigMap", "luigi-cfg")["data"]["luigi.cfg"])


def test_luigi_cfg_of_the_cluster_agrees_with_the_repositorys_but_for_the_scheduler() -> None:
    repository = settings((ROOT / "luigi.cfg").read_text(encoding="utf-8"))
    cluster = settings(cluster_cfg())
    differences = {
        where
        for where in repository.keys() | cluster.keys()
        if where[0] != "scheduler" and repository.get(where) != cluster.get(where)
    }
    assert differences == {("core", "local_scheduler"), ("core", "default-scheduler-url")}
    assert cluster["core", "local_scheduler"] == "false"


def test_the_jobs_look_for_luigid_where_the_service_puts_it() -> None:
    service = the("Service", "luigid")
    (port,) = service["spec"]["ports"]
    url = settings(cluster_cfg())["core", "default-scheduler-url"]
    assert url == f"http://{service['metadata']['name']}:{port['port']}"

    deployment = the("Deployment", "luigid")
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]
    assert service["spec"]["selector"] == deployment["spec"]["template"]["metadata"]["labels"]
    (listening,) = container_of(deployment)["ports"]
    assert port["targetPort"] == listening["name"]
    argv = argv_of(deployment)
    assert argv[argv.index("--port") + 1] == str(listening["containerPort"])
    assert argv[argv.index("--address") + 1] == "0.0.0.0"


def test_luigid_is_one_and_keeps_its_state_on_its_volume() -> None:
    deployment = the("Deployment", "luigid")
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    (volume,) = [v for v in pod_of(deployment)["volumes"] if "persistentVolumeClaim" in v]
    the("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])
    (mount,) = [m for m in container_of(deployment)["volumeMounts"] if m["name"] == volume["name"]]
    assert os.path.dirname(settings(cluster_cfg())["scheduler", "state_path"]) == mount["mountPath"]


# The image


def dockerfile() -> list[str]:
    text = (K8S / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_the_image_runs_as_a_user_without_rights_behind_an_init() -> None:
    final = dockerfile()[max(i for i, line in enumerate(dockerfile()) if line.startswith("FROM ")) :]
    (user,) = [line.split()[1] for line in final if line.startswith("USER ")]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), "numeric, so that runAsNonRoot can tell"
    assert pod_of(the("Deployment", "luigid"))["securityContext"]["fsGroup"] == int(user.split(":")[1])
    assert 'ENTRYPOINT ["tini", "-g", "--"]' in final
    assert all("command" not in container_of(pod) for pod in ALL_PODS.values()), "command would replace the entrypoint"


def test_the_image_carries_no_embedded_postgresql() -> None:
    installs = [line for line in dockerfile() if "pip" in line]
    assert installs
    assert not any("[" in line or "pgserver" in line for line in installs), "an extra of the package"
    assert "pgserver" not in (ROOT / "setup.py").read_text(encoding="utf-8").split("install_requires=")[1].split("]")[0]


def test_the_image_is_built_from_files_that_exist() -> None:
    for line in dockerfile():
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists(), source


# The ranges of the nightly jobs


class EmptyDay(luigi.Task):
    """Stands for RunAll and BuildFacts: a day that is never done."""

    date = luigi.DateParameter()

    @classmethod
    def bulk_complete(cls, params: Iterator[Any]) -> list[Any]:
        return []


def option(argv: list[str], name: str) -> str:
    """The value of --name, written with a blank or with an equals sign."""
    joined = [part.split("=", 1)[1] for part in argv if part.startswith(f"{name}=")]
    return joined[0] if joined else argv[argv.index(name) + 1]


@pytest.mark.parametrize(("name", "days"), [("etl-facts", 7), ("etl-full-day", 30)])
@pytest.mark.parametrize("delay", [timedelta(0), timedelta(minutes=59), timedelta(hours=6)])
def test_a_nightly_range_is_whole_days_and_leaves_today_out(name: str, days: int, delay: timedelta) -> None:
    """However late the job starts within its deadline."""
    argv = argv_of(CRONJOBS[name])
    ((hour, minute),) = starts(CRONJOBS[name]["spec"]["schedule"])
    now = datetime(2025, 3, 10, hour, minute, tzinfo=timezone.utc) + delay
    ranged = RangeDaily(  # type: ignore[no-untyped-call]
        of=EmptyDay,
        start=luigi.DateParameter().parse(option(argv, "--start")),
        days_back=int(option(argv, "--days-back")),
        days_forward=int(option(argv, "--days-forward")),
        reverse="--reverse" in argv,
        now=int(now.timestamp()),
        task_limit=int(settings(cluster_cfg())["RangeDaily", "task_limit"]),
    )
    required = [task.date for task in ranged.requires()]  # type: ignore[no-untyped-call]
    yesterday = now.date() - timedelta(days=1)
    assert required == [yesterday - timedelta(days=back) for back in range(days)]


# Run as they stand


def test_luigid_starts_answers_its_probes_and_saves_its_state(tmp_path: Path) -> None:
    """The Deployment's command, but for a free port and a folder of this test."""
    container = container_of(the("Deployment", "luigid"))
    state, config, port = tmp_path / "state.pickle", tmp_path / "luigi.cfg", free_port()
    config.write_text(cluster_cfg().replace(settings(cluster_cfg())["scheduler", "state_path"], str(state)))
    argv = argv_of(the("Deployment", "luigid"))
    argv[argv.index("--port") + 1] = str(port)
    program = shutil.which(argv[0], path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    assert program is not None
    environment = {**os.environ, "LUIGI_CONFIG_PATH": str(config)}
    with subprocess.Popen([program, *argv[1:]], env=environment, cwd=tmp_path) as process:
        try:
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                assert status(f"http://127.0.0.1:{port}{container[probe]['httpGet']['path']}", process) == 200
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    assert state.stat().st_size > 0


def status(url: str, process: subprocess.Popen[bytes]) -> int:
    """The HTTP status, waiting for the server to come up."""
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return int(response.status)
        except OSError:
            assert process.poll() is None, "luigid ended"
            assert time.monotonic() < deadline, "luigid did not answer within 30 s"
            time.sleep(0.1)


def as_it_stands(manifest: Manifest, pipeline: Pipeline, luigid: Luigid, folder: Path) -> None:
    """Run a manifest's command with the cluster's luigi.cfg, whose scheduler alone is this test's."""
    url = settings(cluster_cfg())["core", "default-scheduler-url"]
    config = folder / "cluster.cfg"
    config.write_text(cluster_cfg().replace(url, luigid.url))
    argv = argv_of(manifest)
    assert argv[:3] == ["luigi", "--module", "aivo_luigi"]
    done = pipeline.luigi(*argv[3:], config=config, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


def today() -> date:
    return datetime.now(timezone.utc).date()


def last_days(number: int) -> list[date]:
    """Whole days, newest first."""
    return [today() - timedelta(days=back) for back in range(1, number + 1)]


def a_lesson_yesterday(world: World) -> None:
    world.tenant()
    world.learner()
    yesterday = datetime.now(timezone.utc).replace(hour=10, minute=0, second=0, microsecond=0) - timedelta(days=1)
    world.session(started_at=yesterday)


def succeeded(pipeline: Pipeline, job_name: str) -> list[date]:
    """The days for which a job succeeded, in the order in which it ran."""
    return pipeline.warehouse.column(
        "select target_date from etl_job_runs where job_name = %(job)s and status = 'SUCCESS' order by started_at",
        job=job_name,
    )


def test_the_hourly_dimensions_run_as_they_stand_and_every_hour_anew(
    pipeline: Pipeline, world: World, luigid: Luigid, tmp_path: Path
) -> None:
    world.tenant()
    as_it_stands(CRONJOBS["etl-dimensions"], pipeline, luigid, tmp_path)
    world.learner()
    as_it_stands(CRONJOBS["etl-dimensions"], pipeline, luigid, tmp_path)

    assert pipeline.warehouse.value("select count(*) from dim_tenant where is_current") == 1
    assert pipeline.warehouse.value("select count(*) from dim_learner where is_current") == 1
    for job in DIMENSION_JOBS:
        assert len(succeeded(pipeline, job)) == 2, job
    for job in FACT_JOBS:
        assert succeeded(pipeline, job) == [], job


def test_the_nightly_facts_run_as_they_stand(pipeline: Pipeline, world: World, luigid: Luigid, tmp_path: Path) -> None:
    a_lesson_yesterday(world)
    as_it_stands(CRONJOBS["etl-facts"], pipeline, luigid, tmp_path)

    assert pipeline.warehouse.column("select date_key from fact_sessions") == [int(f"{last_days(1)[0]:%Y%m%d}")]
    for job in FACT_JOBS:
        assert sorted(succeeded(pipeline, job)) == sorted(last_days(7)), job


def test_the_nightly_full_pipeline_runs_as_it_stands_and_does_nothing_twice(
    pipeline: Pipeline, world: World, luigid: Luigid, tmp_path: Path
) -> None:
    a_lesson_yesterday(world)
    for _ in range(2):
        as_it_stands(CRONJOBS["etl-full-day"], pipeline, luigid, tmp_path)

    assert pipeline.warehouse.value("select count(*) from fact_sessions") == 1
    assert pipeline.warehouse.value("select count(*) from dim_learner where is_current") == 1
    for job in FACT_JOBS:
        assert sorted(succeeded(pipeline, job)) == sorted(last_days(30)), job
    for job in DIMENSION_JOBS:
        assert len(succeeded(pipeline, job)) == 1, job


def test_the_late_data_run_as_they_stand(pipeline: Pipeline, world: World, luigid: Luigid, tmp_path: Path) -> None:
    a_lesson_yesterday(world)
    as_it_stands(CRONJOBS["etl-facts"], pipeline, luigid, tmp_path)
    pipeline.source.execute("update sessions set duration_ms = 61000")
    for _ in range(2):
        as_it_stands(CRONJOBS["etl-late-data"], pipeline, luigid, tmp_path)

    assert pipeline.warehouse.column("select duration_seconds from fact_sessions") == [61]
    assert len(succeeded(pipeline, "build_fact_sessions")) == 7 + 1


def test_the_nightly_facts_come_newest_day_first(pipeline: Pipeline, luigid: Luigid, tmp_path: Path) -> None:
    """--reverse alone doesn't order a range: Luigi runs what has the highest priority."""
    as_it_stands(CRONJOBS["etl-facts"], pipeline, luigid, tmp_path)
    assert succeeded(pipeline, "build_fact_sessions") == last_days(7)


def test_the_backfill_of_the_readme_runs_as_it_stands(
    pipeline: Pipeline, world: World, luigid: Luigid, tmp_path: Path
) -> None:
    world.tenant()
    world.learner()
    world.session()  # on 2025-01-15
    as_it_stands(the("Job", "etl-backfill-2025-01"), pipeline, luigid, tmp_path)

    assert pipeline.warehouse.column("select date_key from fact_sessions") == [20250115]
    for job in FACT_JOBS:
        assert sorted(succeeded(pipeline, job)) == [date(2025, 1, day) for day in range(1, 32)], job
