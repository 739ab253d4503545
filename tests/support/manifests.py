"""The manifests of k8s/ as kustomize builds them."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[2]
K8S = REPOSITORY / "k8s"
Manifest = dict[str, Any]


class Build(list[Manifest]):
    """The objects of one kustomization."""

    def of(self, *kinds: str) -> dict[str, Manifest]:
        """The objects of some kinds, by name."""
        return {m["metadata"]["name"]: m for m in self if m["kind"] in kinds}

    def the(self, kind: str, name: str) -> Manifest:
        return self.of(kind)[name]

    @property
    def pods(self) -> dict[str, Manifest]:
        """Every object that makes pods."""
        return self.of("CronJob", "Job", "Deployment")

    @property
    def luigi_cfg(self) -> str:
        """The settings that the cluster adds to the image's."""
        (config_map,) = self.of("ConfigMap").values()
        return str(config_map["data"]["luigi.cfg"])


def tool(name: str) -> str:
    """A command of this environment, or of the machine."""
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    assert found, f"{name} is missing: pip install '.[dev]'"
    return found


@functools.cache
def build(folder: Path) -> Build:
    """What `kubectl apply -k` would send to the cluster."""
    done = subprocess.run([tool("kubectl"), "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, "kustomize warns"
    return Build(yaml.safe_load_all(done.stdout))


def job_of(manifest: Manifest) -> Manifest:
    """The spec of the Job that a CronJob makes, or of a Job itself."""
    spec: Manifest = manifest["spec"]
    return spec["jobTemplate"]["spec"] if manifest["kind"] == "CronJob" else spec


def template_of(manifest: Manifest) -> Manifest:
    """The template of the pod that a CronJob, Job or Deployment makes."""
    template: Manifest = job_of(manifest)["template"]
    return template


def pod_of(manifest: Manifest) -> Manifest:
    pod: Manifest = template_of(manifest)["spec"]
    return pod


def container_of(manifest: Manifest) -> Manifest:
    (container,) = pod_of(manifest)["containers"]
    return dict(container)


def environment_of(manifest: Manifest, secret: dict[str, str]) -> dict[str, str]:
    """The variables of a container, those from the secret filled in."""
    return {
        entry["name"]: entry["value"] if "value" in entry else secret[entry["valueFrom"]["secretKeyRef"]["key"]]
        for entry in container_of(manifest).get("env", [])
    }


def argv_of(manifest: Manifest, environment: dict[str, str]) -> list[str]:
    """The command behind the image's entrypoint, its $(VARIABLE)s filled in as Kubernetes does."""
    arguments = list(container_of(manifest)["args"])
    for name, value in environment.items():
        arguments = [argument.replace(f"$({name})", value) for argument in arguments]
    return arguments
