"""Luigi's central scheduler on a port of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

from support.pipeline import CONFIG, write_config
from support.server import free_port


class Luigid:
    """A running luigid, and the luigi.cfg that points a client at it (`config`): `base`, with the scheduler elsewhere.

    Without a `base` it is the repository's; luigid has its settings, whatever `base` is.
    """

    def __init__(self, folder: Path, base: Path = CONFIG) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / "luigid.log"
        elsewhere = {
            "local_scheduler": "false",
            "default-scheduler-host": "127.0.0.1",
            "default-scheduler-port": self.port,
        }
        self.config = write_config(folder / "luigi.cfg", base, core=elsewhere)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    str(Path(sys.executable).with_name("luigid")),
                    "--address=127.0.0.1",
                    f"--port={self.port}",
                    f"--state-path={folder / 'state.pickle'}",
                ],
                stdout=log,
                stderr=log,
                cwd=folder,
                start_new_session=True,
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _wait_until_ready(self, timeout: float = 30) -> None:
        deadline = time.monotonic() + timeout
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"luigid didn't start:\n{self._log.read_text()}") from error
                time.sleep(0.05)
            else:
                return
