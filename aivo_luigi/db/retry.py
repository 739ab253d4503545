"""What is worth trying again: a server that was stopped, starts or failed over, and a run that lost a race there."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from typing import TypeVar

import psycopg2

from aivo_luigi.config import settings

Result = TypeVar("Result")

# Serialization failure (on a replica also a conflict with recovery), deadlock, shutdown by an administrator, crash,
# and a server that takes no connections yet.
_PASSING = {"40001", "40P01", "57P01", "57P02", "57P03"}

# Without a code: libpq's own words and OpenSSL's, those of a server before a session has begun, and of PgBouncer.
_LOST = re.compile(
    "connection refused|connection reset|connection timed out|no route to host|network is unreachable|"
    "closed the connection unexpectedly|closed unexpectedly|eof detected|unexpected eof|lost synchronization|"
    "broken pipe|connection already closed|temporary failure in name resolution|the database system is|"
    "due to administrator command|server login has been failing|server conn crashed|query_wait_timeout",
    re.IGNORECASE,
)

_A_MOMENT = (0.1, 1.0)  # seconds

_down_since: dict[str, float] = {}


def will_pass(error: BaseException) -> bool:
    """Whether the same may well succeed a moment later. A wrong password, a missing table or a full disk won't pass."""
    if not isinstance(error, psycopg2.Error):
        return False
    if error.pgcode:
        return error.pgcode in _PASSING
    return bool(_LOST.search(str(error)))


def until_it_answers(url: str, connect: Callable[[], Result]) -> Result:
    """Connects, trying again for retry_seconds, counted from when the database last answered.

    Once they are over, each attempt is made only twice (the first may have met an old, broken connection): what can't
    be reached is waited for once in a process, not by each of its jobs.
    """
    try:
        connection = connect()
    except psycopg2.Error as error:
        if not will_pass(error):
            raise
        until = _down_since.setdefault(url, time.monotonic()) + settings().retry_seconds
        connection = _keep_trying(connect, until - time.monotonic())
    _down_since.pop(url, None)
    return connection


def _keep_trying(connect: Callable[[], Result], seconds: float) -> Result:
    from tenacity import Retrying, retry_if_exception, stop_before_delay, wait_random_exponential

    trying = Retrying(
        retry=retry_if_exception(will_pass),
        wait=wait_random_exponential(multiplier=0.2, max=2),
        stop=stop_before_delay(max(seconds, 0)),
        reraise=True,
    )
    return trying(connect)


def again(attempt: Callable[[], Result], tell: Callable[[BaseException], None], failed: int = 0) -> Result:
    """The attempt, after a moment made again, `retries` times at most, where what went wrong will pass.

    `tell` hears of each that failed; so many have already.
    """
    try:
        return attempt()
    except psycopg2.Error as error:
        if not will_pass(error) or failed >= settings().retries:
            raise
        tell(error)
    time.sleep(random.uniform(*_A_MOMENT))
    return again(attempt, tell, failed + 1)
