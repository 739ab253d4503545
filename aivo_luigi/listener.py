"""Reacts to signals from a thread of its own: while libpq waits for a server, Python calls no handler.

Python must have a handler for a signal to be noticed at all; the thread learns of it from a pipe, whatever the main
thread is doing.
"""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Callable
from functools import cache

_LOOK_AT_PARENT = 1.0  # seconds

_reactions: dict[int, Callable[[], None]] = {}
_listening: dict[int, tuple[int, int]] = {}  # process: both ends of its pipe


def react(number: int, reaction: Callable[[], None]) -> None:
    """Calls `reaction` from the listening thread when the signal comes. For the main thread only."""
    _reactions[number] = reaction
    if os.getpid() not in _listening:
        _listen(parent=None)
        _watch_forks()


def ignore(number: int) -> None:
    """Nothing is called any more when the signal comes."""
    _reactions.pop(number, None)


def is_free() -> bool:
    """Whether signals can be listened to: nobody else (asyncio does) has put a pipe of its own in the place of ours."""
    ours = _listening.get(os.getpid(), (-1, -1))[1]
    known = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(known, warn_on_full_buffer=False)
    return known in (-1, ours)


def _listen(parent: int | None) -> None:
    reading, writing = _listening[os.getpid()] = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=_read, args=(reading, parent), name="signals", daemon=True).start()


def _read(reading: int, parent: int | None) -> None:
    while True:
        if select.select([reading], [], [], parent and _LOOK_AT_PARENT)[0]:
            for number in os.read(reading, 64):
                _reactions.get(number, int)()
        elif os.getppid() != parent:
            # A task's process that has lost its parent, in whatever way, is told to end.
            parent = None
            os.kill(os.getpid(), signal.SIGTERM)


@cache
def _watch_forks() -> None:
    os.register_at_fork(after_in_child=_listen_anew)


def _listen_anew() -> None:
    """A forked process has the handlers of its parent, but not its thread. Ctrl-C is the parent's to tell it of."""
    ((parent, pipe),) = _listening.items()
    _listening.clear()
    ignore(signal.SIGINT)
    for end in pipe:
        os.close(end)
    _listen(parent)
