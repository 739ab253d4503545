"""PgBouncer in front of a server, on a port of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy.engine import make_url

from support.server import free_port, unprivileged_user


class PgBouncer:
    """A running PgBouncer that lets everyone in as the user of the server's URL. Skips the test where there is none."""

    def __init__(self, server_url: str, pool_mode: str, settings: Mapping[str, str] | None = None) -> None:
        program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
        if not program:
            pytest.skip("there is no PgBouncer here (Debian: pgbouncer)")
        self._server, self._port = make_url(server_url), free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="aivo-pgbouncer-"))
        (self._folder / "pgbouncer.ini").write_text(self._config(pool_mode, settings or {}))
        user = unprivileged_user()  # it, too, refuses to run as root
        if user:
            for path in (self._folder, self._folder / "pgbouncer.ini"):
                shutil.chown(path, user.pw_uid, user.pw_gid)
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [program, str(self._folder / "pgbouncer.ini")],
                stdout=log,
                stderr=log,
                cwd=self._folder,
                start_new_session=True,
                **({"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}),
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def url(self, plain: str) -> str:
        """The URL of a database of the server, through the pooler."""
        return make_url(plain).set(host="127.0.0.1", port=self._port).render_as_string(hide_password=False)

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _config(self, pool_mode: str, settings: Mapping[str, str]) -> str:
        own = {
            "listen_addr": "127.0.0.1",
            "listen_port": str(self._port),
            "unix_socket_dir": "",
            "auth_type": "any",
            "pool_mode": pool_mode,
            "default_pool_size": "20",
            **settings,
        }
        server: dict[str, object] = {
            "host": self._server.host,
            "port": self._server.port,
            "user": self._server.username,
        }
        if self._server.password:
            server["password"] = self._server.password
        leads_to = " ".join(f"{name}={value}" for name, value in server.items())
        lines = [f"{name} = {value}" for name, value in own.items()]
        return "\n".join(["[databases]", f"* = {leads_to}", "[pgbouncer]", *lines, ""])

    def _wait_until_ready(self, timeout: float = 15) -> None:
        deadline = time.monotonic() + timeout
        while True:
            try:
                psycopg2.connect(self.url(str(self._server.set(database="postgres"))), connect_timeout=5).close()
            except psycopg2.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"PgBouncer didn't start:\n{(self._folder / 'log').read_text()}") from error
                time.sleep(0.05)
            else:
                return
