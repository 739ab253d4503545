"""The two parameters of every task, the day and --force, and what a task requires for them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from datetime import date, datetime, timezone
from functools import cache, wraps
from typing import Any, TypeVar

import luigi

from aivo_luigi.dates import parse_date, yesterday

_BARE = "true"
Task = TypeVar("Task", bound=luigi.Task)


def many_days(days: Iterable[date]) -> tuple[date, ...]:
    """A batch_method: the task that Luigi makes of many has them all as its day, in their order."""
    return tuple(sorted(days))


def days_of(day: date | tuple[date, ...]) -> tuple[date, ...]:
    """The days of a task: its day, or those of a batch."""
    return day if isinstance(day, tuple) else (day,)


class DayParameter(luigi.DateParameter):
    """A UTC day, strictly YYYY-MM-DD; yesterday where it is left out, yet never empty.

    Of a batch of tasks, what its batch_method makes of their days.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(default=None, **options)  # type: ignore[arg-type]

    def parse(self, value: str) -> date:
        """The day that the text names; DateError for any other text."""
        return parse_date(value.strip())

    def normalize(self, value: Any) -> Any:
        """Yesterday for None: a task that was asked for without a date knows one."""
        if value is None:
            return yesterday()
        if isinstance(value, str):
            return parse_date(value)
        return value.date() if isinstance(value, datetime) else value

    def next_in_enumeration(self, value: Any) -> Any:
        """The day after, with which Luigi's summary finds ranges; of many days none, for they are one already."""
        return None if isinstance(value, tuple) else super().next_in_enumeration(value)  # type: ignore[no-untyped-call]

    def serialize(self, dt: date | tuple[date, ...]) -> str:
        """YYYY-MM-DD; of many days each, so that a batch of other days is another task."""
        return ",".join(map(str, dt)) if isinstance(dt, tuple) else str(dt)

    @classmethod
    def _parser_kwargs(cls, param_name: str, task_name: str | None = None) -> dict[str, Any]:
        # Luigi takes an empty option for one that was left out; a blank one it hands to parse, which refuses it.
        return {**_store(param_name, task_name), "type": lambda text: text or " "}


class ForceParameter(luigi.Parameter):
    """Why a task runs although it is complete: "" (it doesn't), a NAME (once for that name), or this process's token.

    A bare --force, and true in Python or JSON, stand for a token that is made once per process, so that every task of
    the process, whichever worker runs it, agrees on what has been forced already.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(default="", positional=False, **options)

    def normalize(self, value: str | bool | None) -> str:
        """The token that the value stands for."""
        if value is True or value == _BARE:
            return process_token()
        return str(value) if value else ""

    @classmethod
    def _parser_kwargs(cls, param_name: str, task_name: str | None = None) -> dict[str, Any]:
        return {**_store(param_name, task_name), "nargs": "?", "const": _BARE}


class AlwaysForceParameter(ForceParameter):
    """The force of a task that runs whenever it is asked for: left out, it is a token that no run has had before."""

    def normalize(self, value: str | bool | None) -> str:
        """The token that the value stands for."""
        return super().normalize(value) or new_token()


def once(requires: Callable[[Any], list[Task]]) -> Callable[[Any], list[Task]]:
    """Makes the tasks that a task requires once: Luigi asks for them five times, and making one reads its settings."""

    @wraps(requires)
    def remembered(self: Any) -> list[Task]:
        if "_required" not in self.__dict__:
            self._required = requires(self)
        required: list[Task] = self._required
        return required

    return remembered


def _store(param_name: str, task_name: str | None) -> dict[str, Any]:
    """What Luigi tells argparse of an option."""
    options: dict[str, Any] = luigi.Parameter._parser_kwargs(param_name, task_name)
    return options


@cache
def process_token() -> str:
    """The token of a bare --force: the same for the whole of a process, and for no other."""
    return new_token()


def how_to_go_on() -> str:
    """How an interrupted run goes on, as the end of a sentence: the token of a bare --force ends with its process."""
    if process_token.cache_info().currsize:
        return "a bare --force begins anew, with --force NAME the same command would go on"
    return "the same command goes on"


def new_token() -> str:
    """A token that no run has had before."""
    return f"force-{datetime.now(timezone.utc):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
