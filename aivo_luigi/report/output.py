"""Where the report goes: a file that is there as a whole or not at all, or standard output."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from aivo_luigi.errors import ConfigurationError


def write(page: str, output: str) -> None:
    """Writes the page to a file, or to standard output for "-". Raises ConfigurationError where that can't be done."""
    if output == "-":
        sys.stdout.write(page)
        return
    path = Path(output).resolve()
    try:
        _replace(path, page)
    except OSError as error:
        raise ConfigurationError(f"the report can't be written to {path}: {error.strerror}") from error


def _replace(path: Path, page: str) -> None:
    if path.is_dir():
        raise IsADirectoryError(21, "it is a folder")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(page, encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
