"""Standard output beside a main thread that forks tasks.

While a thread writes, it holds a lock of Python's. A process that is forked at that moment finds it held for ever, since
that thread isn't there: at its end it would wait for it, and its parent for the process.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from functools import cache
from typing import Any

_writing = threading.RLock()


class Output:
    """Standard output: no process is forked while something is written."""

    def __init__(self) -> None:
        _heed_forks()

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


@cache
def _heed_forks() -> None:
    os.register_at_fork(before=_writing.acquire, after_in_parent=_go_on, after_in_child=_go_on)


def _go_on() -> None:
    with suppress(RuntimeError):  # Ctrl-C has ended the waiting
        _writing.release()
