"""Days and date keys. A day is a UTC day; its key is YYYYMMDD as an integer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone

from aivo_luigi.errors import ConfigurationError, DateError

MOST_DAYS_OF_RANGE = 36_500  # a hundred years, as far as RangeDaily reaches in our luigi.cfg
_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def parse_date(text: str) -> date:
    """The day that a strict YYYY-MM-DD names.

    Raises DateError (a ValueError) for anything else: 2025-02-30, 2025/01/15, 25-01-15, 2025-1-5, ''.
    """
    if not isinstance(text, str) or not _ISO_DAY.fullmatch(text):
        raise DateError(f"{text!r} is no date: write it as YYYY-MM-DD, for instance 2025-01-15")
    try:
        return date(int(text[:4]), int(text[5:7]), int(text[8:]))
    except ValueError as error:
        raise DateError(f"{text!r} is no date: {error}; write it as YYYY-MM-DD") from None


def date_range(start: date, end: date) -> Iterator[date]:
    """Every day from start to end, both included; none when end lies before start."""
    for offset in range((end - start).days + 1):
        yield start + timedelta(days=offset)


def asked_range(day: date | None, start: date | None, stop: date | None) -> tuple[date, date]:
    """The first and the last day that --date, or --start and --stop, name; yesterday, if none does.

    Raises ConfigurationError for half a range, one with a day beside it, or one that holds no day or too many.
    """
    if start is None and stop is None:
        only = day or yesterday()
        return only, only
    if day is not None or start is None or stop is None:
        raise ConfigurationError("a range is --start and --stop together, without --date: give both, or a --date alone")
    if stop <= start:
        raise ConfigurationError(f"the range from {start} to {stop} holds no day: --stop is the day after the last")
    if (days := (stop - start).days) > MOST_DAYS_OF_RANGE:
        raise ConfigurationError(
            f"the range from {start} to {stop} holds {days:,} days, and {MOST_DAYS_OF_RANGE:,} are the most: "
            "look at the years"
        )
    return start, stop - timedelta(days=1)


def to_date_key(day: date) -> int:
    """2025-01-15 → 20250115."""
    return day.year * 10000 + day.month * 100 + day.day


def from_date_key(key: int) -> date:
    """20250115 → 2025-01-15; DateError for a number that names no day."""
    text = f"{key:08d}"
    return parse_date(f"{text[:4]}-{text[4:6]}-{text[6:]}")


def day_start(day: date) -> datetime:
    """The day's first moment, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=timezone.utc)


def day_end(day: date) -> datetime:
    """The moment after the day's last, in UTC."""
    return day_start(day) + timedelta(days=1)


def yesterday() -> date:
    """The day before today, in UTC."""
    return datetime.now(timezone.utc).date() - timedelta(days=1)
