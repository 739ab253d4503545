"""Luigi's settings for a process of aivo-etl."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from luigi.configuration import LuigiConfigParser, add_config_path, get_config


def use_settings(**options: str | None) -> None:
    """Lets the package's luigi.cfg stand in where no other is in reach; sets the options of [etl] that are given."""
    if not any(Path(path).exists() for path in LuigiConfigParser._config_paths):
        add_config_path(str(files("aivo_luigi") / "luigi.cfg"))
    for name, value in options.items():
        if value is not None:
            get_config().set("etl", name, value)
