"""Standard output beside a main thread that forks tasks.

A thread that writes holds a lock of Python's. A task that is forked at that moment would wait for it at its end, and
the command for the task.
"""

from __future__ import annotations

import sys
from typing import Any

from aivo_luigi.forks import lock_against_forks

_writing = lock_against_forks()


class Output:
    """Standard output: no process is forked while something is written."""

    def write(self, text: str) -> int:
        """Writes the text; whoever forks waits for that."""
        with _writing:
            return sys.stdout.write(text)

    def flush(self) -> None:
        """Hands on what is written; whoever forks waits for that."""
        with _writing:
            sys.stdout.flush()

    def __getattr__(self, name: str) -> Any:
        """All else is as it is: whether it is a terminal, and its encoding."""
        return getattr(sys.stdout, name)
