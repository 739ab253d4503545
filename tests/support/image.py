"""Builds what k8s/Dockerfile says without an engine: each step in a root file system made by debootstrap.

Debian's Python 3.11 stands in for python:3.11-slim, which is made of the same Debian. Needs root.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from support.manifests import K8S, REPOSITORY

_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_PACKAGES = "python3.11-venv,python3-pip,ca-certificates"


@dataclass
class Step:
    """A line of the Dockerfile."""

    word: str
    rest: str

    @property
    def command(self) -> list[str]:
        """What a CMD runs."""
        return list(json.loads(self.rest[self.rest.index("[") :]))


@dataclass
class Stage:
    """What is between one FROM and the next."""

    base: str
    name: str
    steps: list[Step] = field(default_factory=list)

    def last(self, word: str) -> Step | None:
        found = [step for step in self.steps if step.word == word]
        return found[-1] if found else None


def read_stages(text: str) -> list[Stage]:
    """The stages of a Dockerfile, in their order."""
    stages: list[Stage] = []
    for line in re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.M)).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            stages.append(Stage(base, name))
        elif word:
            stages[-1].steps.append(Step(word, rest.strip()))
    return stages


STAGES = read_stages((K8S / "Dockerfile").read_text(encoding="utf-8"))


def make_base(folder: Path) -> Path:
    """A file system like that of python:3.11-slim; one that is there is taken as it is."""
    if not (folder / "usr/local/bin/pip").exists():
        subprocess.run(["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", "bookworm", folder], check=True)
        for name, target in (("python", "python3.11"), ("python3", "python3.11"), ("pip", "pip3")):
            (folder / "usr/local/bin" / name).symlink_to(f"/usr/bin/{target}")
    return folder


class Container:
    """A file system, and the settings with which commands start in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        self.folder = "/"
        self.user = "0:0"
        self.command: list[str] = []

    def take(self, step: Step, stages: dict[str, Container]) -> None:
        """Do what a line of the Dockerfile says."""
        if step.word == "RUN":
            subprocess.run(self.argv(["/bin/sh", "-ec", step.rest], building=True), check=True)
        elif step.word == "COPY":
            self._copy(step.rest.split(), stages)
        elif step.word == "ENV":
            for name, value in (word.split("=", 1) for word in shlex.split(step.rest)):
                self.environment[name] = value.replace("$PATH", self.environment["PATH"])
        elif step.word == "WORKDIR":
            self.folder = step.rest
            (self.root / step.rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif step.word == "USER":
            self.user = step.rest
        elif step.word == "CMD":
            self.command = step.command
        else:
            assert step.word in {"LABEL", "ARG", "EXPOSE", "HEALTHCHECK"}, f"{step.word} is not understood"

    def argv(self, command: list[str], *, building: bool = False, **environment: str) -> list[str]:
        """The command as process 1 of namespaces of its own; but while building, on a file system that is read-only."""
        root, uid, gid = shlex.quote(str(self.root)), *self.user.split(":")
        mounts = [f"mount --bind {root} {root}", f"mount --rbind /dev {root}/dev", f"mount -t proc proc {root}/proc"]
        variables = {**self.environment, **environment}
        rights = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"]
        if building:
            mounts.append(f"mount --bind {_CERTIFICATES} {root}{_CERTIFICATES}")
            variables["PIP_CERT"] = _CERTIFICATES
        else:
            mounts += [f"mount -o remount,bind,ro {root}", f"mount -t tmpfs -o size=64m,mode=1777 tmpfs {root}/tmp"]
            rights += ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
        named = [f"{name}={value}" for name, value in variables.items()]
        inside = ["chroot", str(self.root), *rights, "env", "-i", "-C", self.folder, *named, *command]
        script = " && ".join([*mounts, f"exec {shlex.join(inside)}"])
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script]

    def run(self, command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, as the image's user."""
        return subprocess.run(
            self.argv(command, **environment), capture_output=True, text=True, timeout=300, check=False
        )

    def _copy(self, words: list[str], stages: dict[str, Container]) -> None:
        origin = REPOSITORY
        if words[0].startswith("--from="):
            origin = stages[words.pop(0).removeprefix("--from=")].root
        *sources, target = words
        into = self.root / os.path.join(self.folder, target).lstrip("/")
        if target.endswith("/") and not (origin / sources[0].lstrip("/")).is_dir():
            into.mkdir(parents=True, exist_ok=True)
        for source in sources:
            _copy_one(origin / source.lstrip("/"), into)


def _copy_one(source: Path, into: Path) -> None:
    """As an engine does: a folder's content, a file into a folder or by its new name."""
    if source.is_dir():
        ignore = shutil.ignore_patterns("__pycache__") if source.is_relative_to(REPOSITORY) else None
        shutil.copytree(source, into, symlinks=True, dirs_exist_ok=True, ignore=ignore)
    else:
        into.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, into)


def build_image(base: Path, folder: Path) -> dict[str, Container]:
    """Every stage of the Dockerfile by its name; the last one, which is the image, by the empty name."""
    built: dict[str, Container] = {}
    for stage in STAGES:
        container = _begin(stage, built.get(stage.base), base, folder)
        for step in stage.steps:
            container.take(step, built)
        built[stage.name] = container
    return built


def _begin(stage: Stage, before: Container | None, base: Path, folder: Path) -> Container:
    """What a stage starts from; a file system that it doesn't change is not copied."""
    origin = before.root if before else base
    container = Container(origin)
    if any(step.word in {"RUN", "COPY"} for step in stage.steps):
        container.root = folder / (stage.name or "image")
        subprocess.run(["cp", "-a", origin, container.root], check=True)
    if before:
        container.environment, container.folder = dict(before.environment), before.folder
        container.user, container.command = before.user, before.command
    return container
