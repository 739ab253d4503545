"""Standard output beside a main thread that forks tasks.

A thread that writes holds a lock of Python's. A task that is forked at that moment would wait for it at its end, and
the command for the task.
"""

from __future__ import annotations

import sys
from typing import Any

from aivo_luigi.forks import lock_against_forks
from aivo_luigi.tables import read_or_lost

_writing = lock_against_forks()


class Output:
    """Standard output: no process is forked while something is written. A run goes on when nobody reads it any more."""

    def write(self, text: str) -> int:
        """Writes the text; whoever forks waits for that."""
        with _writing, read_or_lost():
            sys.stdout.write(text)
        return len(text)

    def flush(self) -> None:
        """Hands on what is written; whoever forks waits for that."""
        with _writing, read_or_lost():
            sys.stdout.flush()

    def __getattr__(self, name: str) -> Any:
        """All else is as it is: whether it is a terminal, and its encoding."""
        return getattr(sys.stdout, name)
