"""The pipeline as its users meet it: as Luigi tasks in this process, and as the command in another."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import luigi

from support.database import Database
from support.zygote import zygote_of

REPOSITORY = Path(__file__).parents[2]
CONFIG = REPOSITORY / "luigi.cfg"


def write_config(path: Path, base: Path = CONFIG, **sections: Mapping[str, Any]) -> Path:
    """A luigi.cfg that is `base` with the options of the sections given."""
    config = configparser.RawConfigParser()
    config.read(base)
    for section, options in sections.items():
        if not config.has_section(section):
            config.add_section(section)
        for option, value in options.items():
            config.set(section, option, str(value))
    with path.open("w") as file:
        config.write(file)
    return path


class Pipeline:
    """A source, a warehouse, and the pipeline between them."""

    def __init__(self, source: Database, warehouse: Database, folder: Path) -> None:
        self.source = source
        self.warehouse = warehouse
        self.folder = folder

    @property
    def environment(self) -> dict[str, str]:
        return {"OLTP_DATABASE_URL": self.source.url, "WAREHOUSE_DATABASE_URL": self.warehouse.url}

    def run(self, *tasks: Any, workers: int = 1, **parameters: Any) -> Any:
        """Run tasks in this process and return Luigi's result. A task class is made with the parameters given."""
        made = [task(**parameters) if isinstance(task, type) else task for task in tasks]
        return luigi.build(made, local_scheduler=True, workers=workers, detailed_summary=True, log_level="WARNING")

    def luigi(
        self,
        *arguments: str | date,
        env: Mapping[str, str | None] | None = None,
        cwd: Path | None = None,
        config: Path | None = CONFIG,
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Run the command `luigi --module aivo_luigi …` in an empty folder.

        `env` adds variables, and takes those away that it gives as None; `config` names the luigi.cfg.
        """
        command = [str(Path(sys.executable).with_name("luigi")), "--module", "aivo_luigi", *map(str, arguments)]
        return zygote_of("luigi").run(command, self.command_environment(env, config), cwd or self.folder, timeout)

    def command_environment(
        self, env: Mapping[str, str | None] | None = None, config: Path | None = CONFIG
    ) -> dict[str, str]:
        """The environment of a command: this one, where the package was found, and the two databases."""
        import aivo_luigi

        package = Path(str(aivo_luigi.__file__)).parents[1]
        wanted: dict[str, str | None] = {**os.environ, "PYTHONPATH": str(package), **self.environment}
        wanted["LUIGI_CONFIG_PATH"] = str(config) if config else None
        wanted |= env or {}
        return {name: value for name, value in wanted.items() if value is not None}
