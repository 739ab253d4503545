"""A cluster of one: runs the manifests' commands as written, with luigid as its Deployment starts it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from support.manifests import K8S, Manifest, argv_of, build, container_of, environment_of, tool
from support.server import free_port
from support.zygote import zygote_of

OBJECTS = build(K8S / "base")


class Cluster:
    """Luigid, and jobs that find it; only addresses and folders are this test's."""

    def __init__(self, folder: Path, secret: dict[str, str]) -> None:
        self._secret = secret
        self._folder = folder
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.state = folder / "state.pickle"
        # The image's /etc/luigi/luigi.cfg: Luigi reads ./luigi.cfg at the same place, before that of the cluster.
        (folder / "luigi.cfg").symlink_to(K8S.parent / "luigi.cfg")
        self._config = folder / "cluster.cfg"
        self._config.write_text(
            OBJECTS.luigi_cfg.replace("http://luigid:8082", self.url).replace(
                "/var/lib/luigid/state.pickle", str(self.state)
            )
        )
        self.luigid = self._start_luigid()

    def run(self, manifest: Manifest, **changed: str) -> subprocess.CompletedProcess[str]:
        """Run a job's command to its end, with its own variables and no other; `changed` replaces some of them."""
        environment = self._environment(manifest) | changed
        command = self._command(manifest, environment)
        return zygote_of(Path(command[0]).name).run(command, environment, self._folder, timeout=300)

    def done(self, family: str) -> int:
        """How many tasks of a family are done by luigid's own counters."""
        found = re.search(rf'^luigi_task_done_total{{family="{family}"}} (\S+)$', self.get("/metrics"), re.M)
        return int(float(found[1])) if found else 0

    def get(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, timeout=5) as response:
            return str(response.read().decode())

    def workers(self) -> list[int]:
        """How many tasks each worker that luigid knows may run at once."""
        workers = json.loads(self.get("/api/worker_list"))["response"]
        return [worker["workers"] for worker in workers]

    def stop(self) -> int:
        """As Kubernetes stops it; returns the exit code."""
        if self.luigid.poll() is None:
            self.luigid.terminate()
        return self.luigid.wait(timeout=30)

    def _environment(self, manifest: Manifest) -> dict[str, str]:
        environment = environment_of(manifest, self._secret)
        if "LUIGI_CONFIG_PATH" in environment:
            environment["LUIGI_CONFIG_PATH"] = str(self._config)
        return {"PATH": os.environ["PATH"], "TZ": "UTC", **environment}

    @staticmethod
    def _command(manifest: Manifest, environment: Mapping[str, str]) -> list[str]:
        program, *arguments = argv_of(manifest, dict(environment))
        return [tool(program), *arguments]

    def _start_luigid(self) -> subprocess.Popen[bytes]:
        deployment = OBJECTS.the("Deployment", "luigid")
        environment = self._environment(deployment)
        command = [str(self._port) if part == "8082" else part for part in self._command(deployment, environment)]
        with (self._folder / "luigid.log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, cwd=self._folder, stdout=log, stderr=log)
        try:
            self._wait(process, container_of(deployment)["startupProbe"]["httpGet"]["path"])
        except BaseException:
            process.kill()
            process.wait()
            raise
        return process

    def _wait(self, process: subprocess.Popen[bytes], path: str) -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                self.get(path)
            except OSError:
                log = (self._folder / "luigid.log").read_text()
                assert process.poll() is None, f"luigid ended:\n{log}"
                assert time.monotonic() < deadline, f"luigid did not answer within 30 s:\n{log}"
                time.sleep(0.05)
            else:
                return
