"""Threads beside a main thread that forks tasks.

What another thread holds at that moment (a lock of standard output, a connection in the making) stays held in the new
process for ever, since the thread isn't there: the task would wait for it without end.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

_still = threading.RLock()


@contextmanager
def no_forks() -> Iterator[None]:
    """No process is forked while the block lasts: the thread that wants to waits for its end."""
    _heed_forks()
    with _still:
        yield


@cache
def _heed_forks() -> None:
    os.register_at_fork(before=_still.acquire, after_in_parent=_go_on, after_in_child=_go_on)


def _go_on() -> None:
    with suppress(RuntimeError):  # Ctrl-C has ended the waiting
        _still.release()
