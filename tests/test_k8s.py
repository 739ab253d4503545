"""The manifests of k8s/: valid, restricted, and safe to run side by side. test_k8s_runs.py runs their commands."""

from __future__ import annotations

import configparser
import functools
import os
import re
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import luigi
import pytest
import yaml
from luigi.tools.range import RangeDaily
from support.manifests import (
    K8S,
    REPOSITORY,
    Build,
    Manifest,
    argv_of,
    build,
    container_of,
    environment_of,
    job_of,
    pod_of,
    template_of,
    tool,
)

BASE = K8S / "base"
OVERLAYS = sorted(path.parent for path in (K8S / "overlays").glob("*/kustomization.yaml"))
VERSIONS = [v for v in dict.fromkeys(kubernetes_validate.utils.all_versions()) if v.split(".")[1] >= "28"]
SECRET = {"oltp-url": "the source", "warehouse-url": "the warehouse", "warehouse-owner-url": "the warehouse's owner"}
CRONJOBS = build(BASE).of("CronJob")
STARTING = {name: m for name, m in CRONJOBS.items() if not m["spec"].get("suspend")}
PODS = build(BASE).pods


@pytest.fixture(scope="module")
def with_all(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """The production overlay with every component."""
    folder = tmp_path_factory.mktemp("everything")
    components = [os.path.relpath(path.parent, folder) for path in (K8S / "components").glob("*/kustomization.yaml")]
    resources = [os.path.relpath(K8S / "overlays" / "production", folder)]
    (folder / "kustomization.yaml").write_text(yaml.safe_dump({"resources": resources, "components": components}))
    return build(folder)


@pytest.fixture(scope="module", autouse=True)
def _schemas_are_read_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        cached = functools.cache(kubernetes_validate.utils.schema_contents)
        patch.setattr(kubernetes_validate.utils, "schema_contents", cached)
        yield


def test_there_is_an_overlay_for_production_and_one_for_a_try() -> None:
    assert [path.name for path in OVERLAYS] == ["local", "production"]


def test_the_cron_jobs_are_these() -> None:
    names = ("dimensions", "facts", "full-day", "late-data", "check", "retention", "backfill")
    assert set(CRONJOBS) == {f"etl-{name}" for name in names}
    assert set(CRONJOBS) - set(STARTING) == {"etl-backfill"}, "a template never starts by itself"


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_valid_to_kubernetes(version: str, with_all: Build) -> None:
    secret = list(yaml.safe_load_all((K8S / "secret.example.yaml").read_text(encoding="utf-8")))
    for manifest in [*with_all, *build(K8S / "overlays" / "local"), *secret]:
        used = kubernetes_validate.validate(manifest, version, strict=True)
        assert version.startswith(used), f"no schemas of Kubernetes {version}: those of {used} were used"


def test_an_unknown_field_is_not_valid() -> None:
    """The validation above is strict: a misspelt key would be found."""
    wrong = {**CRONJOBS["etl-facts"], "spec": {**CRONJOBS["etl-facts"]["spec"], "timezone": "Etc/UTC"}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda folder: folder.name)
def test_an_overlay_has_a_namespace_of_its_own_and_everything_is_in_it(folder: Path) -> None:
    (namespace,) = build(folder).of("Namespace")
    assert {m["metadata"].get("namespace") for m in build(folder) if m["kind"] != "Namespace"} == {namespace}


# When


@pytest.mark.parametrize("name", CRONJOBS)
def test_a_cron_job_never_runs_twice_at_once_nor_for_ever(name: str) -> None:
    spec, job = CRONJOBS[name]["spec"], job_of(CRONJOBS[name])
    assert spec["timeZone"] == "Etc/UTC"
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["startingDeadlineSeconds"] > 10  # the controller looks every ten seconds
    assert job["activeDeadlineSeconds"] > 0
    assert job["ttlSecondsAfterFinished"] > 0
    assert {"successfulJobsHistoryLimit", "failedJobsHistoryLimit"} <= set(spec)


def starts(schedule: str) -> set[tuple[int, int]]:
    """The hours and minutes of a day at which a plain hourly, daily or monthly schedule starts."""
    minute, hour, day, *rest = schedule.split()
    assert rest == ["*", "*"], f"{schedule}: a schedule that this test can't read"
    assert day == "*" or hour != "*"
    return {(h, int(minute)) for h in (range(24) if hour == "*" else [int(hour)])}


def test_no_two_cron_jobs_start_in_the_same_minute() -> None:
    minutes = [start for cronjob in STARTING.values() for start in starts(cronjob["spec"]["schedule"])]
    assert len(minutes) == len(set(minutes))


def test_the_documented_schedules_are_kept() -> None:
    """Dimensions hourly, facts daily at 02:00, the full pipeline daily at 03:00."""
    assert len(starts(CRONJOBS["etl-dimensions"]["spec"]["schedule"])) == 24
    assert starts(CRONJOBS["etl-facts"]["spec"]["schedule"]) == {(2, 0)}
    assert starts(CRONJOBS["etl-full-day"]["spec"]["schedule"]) == {(3, 0)}
    assert starts(CRONJOBS["etl-late-data"]["spec"]["schedule"]) == {(5, 0)}
    assert CRONJOBS["etl-retention"]["spec"]["schedule"].split()[2] == "2", "when the month before is complete"
    assert len(starts(CRONJOBS["etl-check"]["spec"]["schedule"])) == 24


def test_an_hourly_job_ends_before_its_next_start() -> None:
    for name in ("etl-dimensions", "etl-check"):
        assert job_of(CRONJOBS[name])["activeDeadlineSeconds"] < 3600


# What is tried again


def failing_codes(manifest: Manifest) -> set[int]:
    """The exit codes after which Kubernetes gives up at once."""
    rules = job_of(manifest)["podFailurePolicy"]["rules"]
    codes: set[int] = set()
    for rule in rules:
        if rule["action"] == "FailJob":
            assert rule["onExitCodes"]["operator"] == "In"
            assert rule["onExitCodes"]["containerName"] == container_of(manifest)["name"]
            codes |= set(rule["onExitCodes"]["values"])
    return codes


@pytest.mark.parametrize("name", CRONJOBS)
def test_what_another_attempt_may_mend_is_tried_again_and_nothing_else(name: str) -> None:
    code = {name: int(value) for name, value in luigi.configuration.get_config()["retcode"].items()}
    passing = {code["already_running"], code["not_run"], code["scheduling_error"]}
    lasting = {1, 2, code["missing_data"], code["unhandled_exception"]}
    (lasting if name == "etl-check" else passing).add(code["task_failed"])  # of the check: an alert fires
    assert failing_codes(CRONJOBS[name]) == lasting
    assert passing | lasting == {1, 2, *code.values()}
    assert job_of(CRONJOBS[name])["backoffLimit"] > 0


@pytest.mark.parametrize("name", [name for name, m in PODS.items() if m["kind"] != "Deployment"])
def test_a_drained_node_costs_no_attempt(name: str) -> None:
    """Kubernetes applies the first rule that fits."""
    first = job_of(PODS[name])["podFailurePolicy"]["rules"][0]
    assert first == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    assert pod_of(PODS[name])["restartPolicy"] == "Never", "a pod failure policy asks for it; and the log is kept"
    assert pod_of(PODS[name])["shareProcessNamespace"] is True, "as process 1 it would miss an early SIGTERM"


# The restricted Pod Security Standard


@pytest.mark.parametrize("name", PODS)
def test_a_pod_is_restricted(name: str) -> None:
    pod, container = pod_of(PODS[name]), container_of(PODS[name])
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {key for volume in pod["volumes"] for key in volume if key != "name"} <= {
        "configMap",
        "emptyDir",
        "persistentVolumeClaim",
    }
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(pod)
    assert all("hostPort" not in port for port in container.get("ports", []))


@pytest.mark.parametrize("name", PODS)
def test_a_pod_has_the_images_user_no_token_and_bounds(name: str) -> None:
    pod, container = pod_of(PODS[name]), container_of(PODS[name])
    user = re.search(r"^USER (\d+):(\d+)$", (K8S / "Dockerfile").read_text(encoding="utf-8"), re.M)
    assert user is not None
    assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsGroup"]) == tuple(map(int, user.groups()))
    assert pod["automountServiceAccountToken"] is False
    assert build(BASE).the("ServiceAccount", pod["serviceAccountName"])["automountServiceAccountToken"] is False
    assert {"cpu", "memory"} <= set(container["resources"]["requests"])
    assert "memory" in container["resources"]["limits"]
    assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}, "all else can't be written"
    assert "command" not in container, "it would replace the image's entrypoint"


@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda folder: folder.name)
def test_the_namespace_asks_for_restricted_pods(folder: Path) -> None:
    (namespace,) = build(folder).of("Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


# Who speaks to whom


def selects(selector: Manifest, labels: Manifest) -> bool:
    assert set(selector) <= {"matchLabels"}
    return selector.get("matchLabels", {}).items() <= labels.items()


def policies_of(objects: Build, manifest: Manifest, direction: str) -> dict[str, list[Manifest]]:
    """The rules of a direction for a pod, by the policy's name."""
    labels = template_of(manifest)["metadata"]["labels"]
    return {
        name: policy["spec"].get(direction.lower(), [])
        for name, policy in objects.of("NetworkPolicy").items()
        if selects(policy["spec"]["podSelector"], labels) and direction in policy["spec"]["policyTypes"]
    }


@pytest.mark.parametrize("name", [name for name, m in PODS.items() if m["kind"] != "Deployment"])
def test_a_job_reaches_the_databases_luigid_and_dns_and_nobody_reaches_it(name: str) -> None:
    out = policies_of(build(BASE), PODS[name], "Egress")
    assert set(out) == {"default-deny", "etl-to-dns", "etl-to-source", "etl-to-warehouse", "etl-to-luigid"}
    assert out["default-deny"] == []
    assert policies_of(build(BASE), PODS[name], "Ingress") == {"default-deny": []}
    (luigid,) = [to["podSelector"] for to in out["etl-to-luigid"][0]["to"]]
    assert selects(luigid, template_of(PODS["luigid"])["metadata"]["labels"])


def test_luigid_reaches_nobody_and_jobs_reach_it() -> None:
    assert policies_of(build(BASE), PODS["luigid"], "Egress") == {"default-deny": []}
    incoming = policies_of(build(BASE), PODS["luigid"], "Ingress")
    assert set(incoming) == {"default-deny", "luigid-from-etl"}
    ((rule,),) = [rules for rules in incoming.values() if rules]
    (source,) = rule["from"]
    assert selects(source["podSelector"], template_of(PODS["etl-facts"])["metadata"]["labels"])
    assert rule["ports"] == [{"protocol": "TCP", "port": container_of(PODS["luigid"])["ports"][0]["containerPort"]}]


def test_only_the_check_reaches_a_webhook_and_only_where_it_is_wanted(with_all: Build) -> None:
    reaching = {
        name for name, pod in with_all.pods.items() if "check-to-webhook" in policies_of(with_all, pod, "Egress")
    }
    assert reaching == {"etl-check"}
    given = {name for name, pod in with_all.pods.items() if "ETL_ALERT_WEBHOOK_URL" in str(container_of(pod))}
    assert given == {"etl-check"}


def test_every_pod_that_speaks_to_a_database_can_be_given_its_certificate(with_all: Build) -> None:
    for name, pod in with_all.pods.items():
        mounts = {mount["mountPath"]: mount["name"] for mount in container_of(pod)["volumeMounts"]}
        volumes = {volume["name"]: volume.get("configMap", {}).get("name") for volume in pod_of(pod)["volumes"]}
        assert ("/etc/database-ca" in mounts) == (name != "luigid"), name
        assert name == "luigid" or volumes[mounts["/etc/database-ca"]] == "database-ca"


def test_production_must_name_its_databases() -> None:
    """Addresses for documentation (RFC 5737): nobody's traffic goes astray where they are forgotten."""
    production = build(K8S / "overlays" / "production")
    for name, network in (("etl-to-source", "192.0.2."), ("etl-to-warehouse", "198.51.100.")):
        (rule,) = production.the("NetworkPolicy", name)["spec"]["egress"]
        (block,) = [to["ipBlock"]["cidr"] for to in rule["to"]]
        assert block.startswith(network)
        assert block.endswith("/32")


# With what


@pytest.mark.parametrize("name", [name for name in PODS if name != "luigid"])
def test_the_urls_come_only_from_the_secret(name: str) -> None:
    environment = environment_of(PODS[name], SECRET)
    assert environment["OLTP_DATABASE_URL"] == "the source"
    owner = name.startswith("etl-migrate")
    assert environment["WAREHOUSE_DATABASE_URL"] == ("the warehouse's owner" if owner else "the warehouse")
    for entry in container_of(PODS[name])["env"]:
        if "valueFrom" in entry:
            assert entry["valueFrom"]["secretKeyRef"]["name"] == "db-secrets"


def test_the_example_secret_has_exactly_the_keys_in_use_and_no_real_host(with_all: Build) -> None:
    (secret,) = yaml.safe_load_all((K8S / "secret.example.yaml").read_text(encoding="utf-8"))
    used = {
        entry["valueFrom"]["secretKeyRef"]["key"]
        for pod in with_all.pods.values()
        for entry in container_of(pod).get("env", [])
        if "valueFrom" in entry
    }
    assert set(secret["stringData"]) == used
    assert all("EXAMPLE" in url and ".example.invalid" in url for url in secret["stringData"].values())


def test_no_manifest_but_the_example_holds_a_url_of_a_database() -> None:
    for path in K8S.rglob("*"):
        if path.is_file() and path.name != "secret.example.yaml":
            assert not re.search(r"postgres(ql)?://", path.read_text(encoding="utf-8")), path


def version_of_the_package() -> str:
    version = re.search(r'^    version="(.+)",$', (REPOSITORY / "setup.py").read_text(encoding="utf-8"), re.M)
    assert version is not None
    return version[1]


@pytest.mark.parametrize("name", PODS)
def test_the_image_is_the_one_of_this_version(name: str) -> None:
    assert container_of(PODS[name])["image"] == f"aivo/aivo-luigi:{version_of_the_package()}"
    production = container_of(build(K8S / "overlays" / "production").pods[name])["image"]
    assert production == f"registry.example.com/aivo/aivo-luigi:{version_of_the_package()}"


# The migration goes first


def test_each_version_has_a_migration_job_of_its_own() -> None:
    (name,) = build(BASE).of("Job")
    assert name == f"etl-migrate-{version_of_the_package().replace('.', '-')}"


def test_what_the_migration_needs_is_applied_with_it() -> None:
    """`kubectl apply -l apply=first` must bring all that its pod stands on, and nothing that would start a run."""
    first = Build(m for m in build(BASE) if m["metadata"].get("labels", {}).get("apply") == "first")
    (job,) = first.of("Job").values()
    assert set(first.of("Namespace")) == {job["metadata"]["namespace"]}
    assert pod_of(job)["serviceAccountName"] in first.of("ServiceAccount")
    assert not first.of("CronJob", "Deployment")
    needed = set(policies_of(build(BASE), job, "Egress")) - {"etl-to-luigid"}
    assert needed == set(first.of("NetworkPolicy"))
    assert not {key for volume in pod_of(job)["volumes"] for key in volume} & {"configMap", "persistentVolumeClaim"}


# luigi.cfg


def settings(text: str) -> dict[tuple[str, str], str]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    return {(section, key): value for section in parser.sections() for key, value in parser[section].items()}


def test_the_cluster_adds_nothing_but_the_scheduler_to_the_repositorys_luigi_cfg() -> None:
    """The image carries the repository's, where Luigi finds it first; the ConfigMap is read last."""
    repository = settings((REPOSITORY / "luigi.cfg").read_text(encoding="utf-8"))
    cluster = settings(build(BASE).luigi_cfg)
    changed = {where for where, value in cluster.items() if repository.get(where) != value}
    assert {where for where in changed if where[0] != "scheduler"} == {
        ("core", "local_scheduler"),
        ("core", "default-scheduler-url"),
    }
    same = {where for where in cluster if repository.get(where) == cluster[where]}
    assert not same, "said twice"


def test_the_image_carries_the_repositorys_luigi_cfg_where_luigi_looks_for_it() -> None:
    paths = luigi.configuration.LuigiConfigParser._config_paths
    assert "/etc/luigi/luigi.cfg" in paths
    assert re.search(r"^COPY luigi\.cfg /etc/luigi/luigi\.cfg$", (K8S / "Dockerfile").read_text(encoding="utf-8"), re.M)


@pytest.mark.parametrize("name", [name for name in PODS if not name.startswith("etl-migrate")])
def test_the_clusters_luigi_cfg_is_mounted_where_luigi_is_told_to_look(name: str) -> None:
    container, pod = container_of(PODS[name]), pod_of(PODS[name])
    path = environment_of(PODS[name], SECRET)["LUIGI_CONFIG_PATH"]
    (mount,) = [mount for mount in container["volumeMounts"] if mount["mountPath"] == os.path.dirname(path)]
    assert mount["mountPath"] != "/etc/luigi", "it would hide the image's"
    (volume,) = [volume for volume in pod["volumes"] if volume["name"] == mount["name"]]
    assert os.path.basename(path) in build(BASE).the("ConfigMap", volume["configMap"]["name"])["data"]
    assert re.search(r"-[0-9a-z]{10}$", volume["configMap"]["name"]), "a change must restart luigid"


def test_the_jobs_look_for_luigid_where_the_service_puts_it() -> None:
    service, deployment = build(BASE).the("Service", "luigid"), PODS["luigid"]
    (port,) = service["spec"]["ports"]
    assert settings(build(BASE).luigi_cfg)["core", "default-scheduler-url"] == f"http://luigid:{port['port']}"

    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]
    assert service["spec"]["selector"].items() <= template_of(deployment)["metadata"]["labels"].items()
    (listening,) = container_of(deployment)["ports"]
    assert port["targetPort"] == listening["name"]
    argv = argv_of(deployment, {})
    assert argv[argv.index("--port") + 1] == str(listening["containerPort"])
    assert argv[argv.index("--address") + 1] == "0.0.0.0"


def test_luigid_is_one_and_keeps_its_state_on_its_volume() -> None:
    deployment = PODS["luigid"]
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    (volume,) = [v for v in pod_of(deployment)["volumes"] if "persistentVolumeClaim" in v]
    build(BASE).the("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])
    (mount,) = [m for m in container_of(deployment)["volumeMounts"] if m["name"] == volume["name"]]
    assert os.path.dirname(settings(build(BASE).luigi_cfg)["scheduler", "state_path"]) == mount["mountPath"]
    assert pod_of(deployment)["securityContext"]["fsGroup"] == pod_of(deployment)["securityContext"]["runAsGroup"]


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
    argv = argv_of(CRONJOBS[name], {})
    ((hour, minute),) = starts(CRONJOBS[name]["spec"]["schedule"])
    now = datetime(2025, 3, 10, hour, minute, tzinfo=timezone.utc) + delay
    ranged = RangeDaily(  # type: ignore[no-untyped-call]
        of=EmptyDay,
        start=luigi.DateParameter().parse(option(argv, "--start")),
        days_back=int(option(argv, "--days-back")),
        days_forward=int(option(argv, "--days-forward")),
        reverse="--reverse" in argv,
        now=int(now.timestamp()),
    )
    required = [task.date for task in ranged.requires()]  # type: ignore[no-untyped-call]
    yesterday = now.date() - timedelta(days=1)
    assert required == [yesterday - timedelta(days=back) for back in range(days)]


# The backfill's template


def test_the_backfills_days_are_set_as_the_readme_says() -> None:
    """`kubectl set env --local` needs no cluster: the days end up in the command."""
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x"}, "spec": job_of(CRONJOBS["etl-backfill"])}
    readme = (K8S / "README.md").read_text(encoding="utf-8")
    (arguments,) = re.findall(r"\| kubectl (set env --local .*) \\$", readme, re.M)
    command = [tool("kubectl"), *arguments.split()]
    done = subprocess.run(command, input=yaml.safe_dump(job), capture_output=True, text=True, check=True)
    changed = yaml.safe_load(done.stdout)
    argv = argv_of(changed, environment_of(changed, SECRET))
    days = dict(re.findall(r"BACKFILL_(START|STOP)=(\S+)", arguments))
    assert (option(argv, "--start"), option(argv, "--stop")) == (days["START"], days["STOP"])
