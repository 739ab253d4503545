"""Locks of a process that forks.

A process that is forked while another thread holds a lock has it held for ever, since that thread isn't there.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress


def lock_against_forks() -> threading.RLock:
    """A lock during which no process is forked: whoever wants to waits until it is free."""
    lock = threading.RLock()

    def go_on() -> None:
        with suppress(RuntimeError):  # Ctrl-C has ended the waiting
            lock.release()

    os.register_at_fork(before=lock.acquire, after_in_parent=go_on, after_in_child=go_on)
    return lock
