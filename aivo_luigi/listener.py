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

_reactions: dict[int, Callable[[], None]] = {}
_listening: dict[int, tuple[int, int]] = {}  # process: both ends of its pipe
_children_see: dict[int, tuple[int, int]] = {}  # process: both ends of a pipe whose end its forked processes see


def react(number: int, reaction: Callable[[], None]) -> None:
    """Calls `reaction` from the listening thread when the signal comes. For the main thread only."""
    _reactions[number] = reaction
    if os.getpid() not in _listening:
        _listen(parent=None)
        _watch_forks()


def ignore(number: int) -> None:
    """Nothing is called any more when the signal comes."""
    _reactions.pop(number, None)


def leave_children() -> None:
    """Tells each process that was forked to end, also one that nobody has noted yet, as if this one had ended."""
    os.close(_children_see[os.getpid()][1])


def is_free() -> bool:
    """Whether signals can be listened to: nobody else (asyncio does) has put a pipe of its own in the place of ours."""
    ours = _listening.get(os.getpid(), (-1, -1))[1]
    known = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(known, warn_on_full_buffer=False)
    return known in (-1, ours)


def _listen(parent: int | None) -> None:
    """`parent`: what says by its end that the process which forked this one is no more, in whatever way."""
    process = os.getpid()
    reading, writing = _listening[process] = os.pipe()
    _children_see[process] = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=_read, args=(reading, parent), name="signals", daemon=True).start()


def _read(reading: int, parent: int | None) -> None:
    watched = [reading] if parent is None else [reading, parent]
    while True:
        ready = select.select(watched, [], [])[0]
        if reading in ready:
            for number in os.read(reading, 64):
                _reactions.get(number, int)()
        else:
            watched = [reading]
            os.kill(os.getpid(), signal.SIGTERM)


@cache
def _watch_forks() -> None:
    os.register_at_fork(after_in_child=_listen_anew)


def _listen_anew() -> None:
    """A forked process has the handlers of its parent, but not its thread. Ctrl-C is the parent's to tell it of."""
    (pipe,) = _listening.values()
    ((parent, leaving),) = _children_see.values()
    _listening.clear()
    _children_see.clear()
    ignore(signal.SIGINT)
    for end in (*pipe, leaving):
        os.close(end)
    _listen(parent)
