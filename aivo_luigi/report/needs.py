"""What the report needs beside the pipeline: the extra `report`."""

from __future__ import annotations

import logging
from importlib.util import find_spec

from aivo_luigi.errors import ConfigurationError


def ensure_libraries() -> None:
    """Raises ConfigurationError where the template engine or the plotting library is not installed."""
    missing = [name for name in ("jinja2", "matplotlib") if find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"the report needs {' and '.join(missing)}: install the extra, pip install 'aivo_luigi[report]'"
        )
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells where its cache lies, and how long that takes
