"""PgBouncer in front of a server, on a port of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from support.server import free_port, unprivileged_user


class PgBouncer:
    """A running PgBouncer. Skips the test where there is none.

    `users`: who may come in, each as himself, with these passwords; without them everyone may, as the user of the
    server's URL. `aliases`: databases of other names, and where they lead. `files`: what lies in its folder besides.
    """

    def __init__(
        self,
        server_url: str,
        pool_mode: str,
        settings: Mapping[str, str] | None = None,
        users: Mapping[str, str] | None = None,
        aliases: Mapping[str, str] | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
        if not program:
            pytest.skip("there is no PgBouncer here (Debian: pgbouncer)")
        self._server, self._port, self._users = make_url(server_url), free_port(), users or {}
        self._folder = Path(tempfile.mkdtemp(prefix="aivo-pgbouncer-"))
        self._log = self._folder / "log"
        user = unprivileged_user()  # it, too, refuses to run as root
        for name, content in (files or {}).items():
            (self._folder / name).write_bytes(content)
        (self._folder / "users.txt").write_text("".join(f'"{who}" "{word}"\n' for who, word in self._users.items()))
        (self._folder / "pgbouncer.ini").write_text(self._config(pool_mode, settings or {}, aliases or {}))
        if user:
            for path in (self._folder, *self._folder.iterdir()):
                shutil.chown(path, user.pw_uid, user.pw_gid)
        with self._log.open("wb") as log:
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

    @property
    def log(self) -> str:
        """What it has said."""
        return self._log.read_text()

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

    def _config(self, pool_mode: str, settings: Mapping[str, str], aliases: Mapping[str, str]) -> str:
        own = {
            "listen_addr": "127.0.0.1",
            "listen_port": str(self._port),
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256" if self._users else "any",
            "auth_file": str(self._folder / "users.txt"),
            "pool_mode": pool_mode,
            "default_pool_size": "20",
            **settings,
        }
        databases = {"*": self._leads_to(), **aliases}
        return "\n".join(["[databases]", *_lines(databases), "[pgbouncer]", *_lines(own), ""])

    def _leads_to(self) -> str:
        server: dict[str, object] = {"host": self._server.host, "port": self._server.port}
        if not self._users:
            server["user"] = self._server.username
        if not self._users and self._server.password:
            server["password"] = self._server.password
        return " ".join(f"{name}={value}" for name, value in server.items())

    def _wait_until_ready(self, timeout: float = 15) -> None:
        deadline = time.monotonic() + timeout
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=5).close()
            except OSError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"PgBouncer didn't start:\n{self.log}") from error
                time.sleep(0.05)
            else:
                return


def _lines(options: Mapping[str, str]) -> list[str]:
    return [f"{name} = {value}" for name, value in options.items()]
