"""The rules for Prometheus: valid, unit-tested, and about metrics and jobs that there are."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable

import pytest
import yaml
from luigi.contrib.prometheus_metric import PrometheusMetricsCollector
from support.manifests import K8S, build

FOLDER = K8S / "prometheus"
GROUPS = yaml.safe_load((FOLDER / "rules.yaml").read_text(encoding="utf-8"))["groups"]
TESTS = ["rules.test.yaml", "rules.month.test.yaml"]
RULES = {rule["alert"]: rule for group in GROUPS for rule in group["rules"]}


@pytest.fixture
def promtool() -> Callable[..., subprocess.CompletedProcess[str]]:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is missing: apt-get install prometheus")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([program, *arguments], cwd=FOLDER, capture_output=True, text=True, check=False)

    return run


def test_the_rules_pass_promtool_and_their_own_tests(
    promtool: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    for arguments in (["check", "rules", "--lint-fatal", "rules.yaml"], ["test", "rules", *TESTS]):
        done = promtool(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_is_seen_to_fire_and_to_be_quiet() -> None:
    """promtool runs these; here they are counted."""
    fires: set[str] = set()
    quiet: set[str] = set()
    tests = [test for name in TESTS for test in yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))["tests"]]
    for test in tests:
        for asked in test["alert_rule_test"]:
            (fires if asked.get("exp_alerts") else quiet).add(asked["alertname"])
    assert fires == quiet == set(RULES)


def test_the_metrics_of_luigid_are_those_that_it_has() -> None:
    collector = PrometheusMetricsCollector()  # type: ignore[no-untyped-call]
    there = {sample.name for metric in collector.registry.collect() for sample in metric.samples}
    there |= {f"{metric.name}_total" for metric in collector.registry.collect() if metric.type == "counter"}
    named = {name for rule in RULES.values() for name in re.findall(r"\bluigi_\w+", rule["expr"])}
    assert named
    assert named <= there


def test_the_cron_jobs_are_those_that_there_are() -> None:
    cronjobs = set(build(K8S / "base").of("CronJob"))
    patterns = [p for rule in RULES.values() for p in re.findall(r'cronjob!?=~?"([^"]+)"', rule["expr"])]
    for pattern in patterns:
        for name in pattern.split("|"):
            assert any(re.fullmatch(name, cronjob) for cronjob in cronjobs), name
    watched = [cronjob for cronjob in cronjobs if any(cronjob in pattern.split("|") for pattern in patterns)]
    assert set(watched) == cronjobs, "no rule asks for its success"


def test_every_alert_says_what_to_do() -> None:
    for name, rule in RULES.items():
        assert set(rule["annotations"]) == {"summary", "description"}, name
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}, name
