"""Errors for people: one line that says what is wrong and what to do."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

SOURCE_VARIABLE = "OLTP_DATABASE_URL"
WAREHOUSE_VARIABLE = "WAREHOUSE_DATABASE_URL"
WEBHOOK_VARIABLE = "ETL_ALERT_WEBHOOK_URL"

TRACEBACK = "Traceback (most recent call last)"

_ID = re.compile(r"[0-9a-f]{4}(?:-?[0-9a-f]{4}){7}", re.IGNORECASE)
_TOKEN = 12  # signs: a part of a webhook's URL that is so long is taken for one


class EtlError(Exception):
    """What went wrong and what to do, in one line. Its text holds no password and no learner's data."""


class ConfigurationError(EtlError):
    """A setting is missing or can't be used."""


class DateError(EtlError, ValueError):
    """A date that is none, or that lies in the future."""


class SchemaError(EtlError):
    """The warehouse's schema is not the one that this version of the package works with."""


class SourceError(EtlError):
    """The source can't be read as it should be."""


class LockedError(EtlError):
    """Another run holds the lock for longer than this one may wait."""


class GuardError(EtlError):
    """A change so large that it looks like an accident; the message names the switch that allows it."""


class CheckError(EtlError):
    """A failing check of checks.sql returned rows."""


class AlertError(EtlError):
    """An alert fires."""


class NotificationError(EtlError):
    """What fires could not be sent to the webhook."""


def secret(variable: str) -> str:
    """The value of the environment variable, or what the file holds that the variable of that name and _FILE names.

    "" where neither is set. Raises ConfigurationError where both are, or the file can't be read.
    """
    file = os.environ.get(f"{variable}_FILE", "")
    if file and os.environ.get(variable):
        raise ConfigurationError(f"{variable} and {variable}_FILE are both set: set one of them")
    try:
        return Path(file).read_text(encoding="utf-8").strip() if file else os.environ.get(variable, "")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise ConfigurationError(f"the file that {variable}_FILE names can't be read: {why}") from None


def debugging() -> bool:
    """Whether ETL_DEBUG asks for details and tracebacks."""
    return os.environ.get("ETL_DEBUG", "").strip().lower() in {"1", "true", "yes", "on"}


def describe(error: BaseException) -> str:
    """The error in one line, without passwords and without values of data rows."""
    diagnostics = getattr(error, "diag", None)
    if diagnostics is not None and diagnostics.message_primary:
        return redact(_server_message(diagnostics.sqlstate or "", diagnostics.message_primary))
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if isinstance(error, EtlError) and lines:
        return redact(lines[0])
    if lines and lines[0].endswith(":"):  # Luigi's "Did you mean:", a name in each line after it
        lines = [f"{lines[0]} {', '.join(lines[1:])}"]
    name = "interrupted" if isinstance(error, KeyboardInterrupt) else type(error).__name__
    return redact(f"{name}: {lines[0]}" if lines else name)


def traceback_of(error: BaseException) -> str:
    """The traceback of an error and of what caused it, each told by `describe`: its own text may quote a row."""
    from traceback import format_tb

    told = f"{TRACEBACK}:\n{redact(''.join(format_tb(error.__traceback__)))}{describe(error)}"
    return f"{traceback_of(error.__cause__)}\n\n{told}" if error.__cause__ else told


def _server_message(sqlstate: str, message: str) -> str:
    """The server's message. One of a data exception (class 22) quotes the value, so its standard name stands for it."""
    if sqlstate.startswith("22"):
        from psycopg2 import errors  # what aivo-etl --help can do without

        name = "DataException"
        with suppress(KeyError):  # a code that nobody knows
            name = errors.lookup(sqlstate).__name__
        message = re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()
    return f"{message.splitlines()[0]} (SQLSTATE {sqlstate})"


def redact(text: str) -> str:
    """The text with the passwords of the two database URLs, and the webhook's URL, replaced by ***."""
    for secret in _secrets():
        text = text.replace(secret, "***")
    return text


def mask_ids(text: str) -> str:
    """The text with every id of a row replaced by …, in each spelling that PostgreSQL takes for a UUID.

    For what leaves the house: an id may be a learner's.
    """
    return _ID.sub("…", text)


def _given(variable: str) -> str:
    """The secret; "" where it can't be read: a message about that must not fail in its turn."""
    with suppress(ConfigurationError):
        return secret(variable)
    return os.environ.get(variable, "")


def _secrets() -> list[str]:
    """Every spelling in which a secret of ours could reach a message, the longest first."""
    found = _passwords() | _webhook_parts(_given(WEBHOOK_VARIABLE))
    return sorted((part for part in found if len(part) > 2), key=len, reverse=True)


def _passwords() -> set[str]:
    """The passwords of the databases.

    A password that should have been percent-encoded is cut at its @, : or / by whoever reads the URL, and its parts
    turn up as a host or port: each part counts.
    """
    found: set[str] = set()
    for variable in (SOURCE_VARIABLE, WAREHOUSE_VARIABLE):
        url = _given(variable)
        user_info = url.partition("://")[2].rpartition("@")[0] if "://" in url else url.rpartition("@")[0]
        written = [user_info.partition(":")[2], *re.findall(r"password=([^&\s]+)", url)]
        for password in written:
            for spelling in (password, unquote(password)):
                found |= {spelling, *re.split(r"[@:/?#&=\s]", spelling)}
    return found


def _webhook_parts(url: str) -> set[str]:
    """A webhook's URL: as a whole, what follows the host, a password, and each part long enough for a token.

    Its short words ("services", "hooks") are no secrets: they may stand in any message.
    """
    rest = url.partition("://")[2] or url
    authority, slash, path = rest.partition("/")
    user_info = authority.rpartition("@")[0]
    parts = {path, user_info, *re.split(r"[/?#&=]", path)}
    written = {url, rest, slash + path, user_info.partition(":")[2], *(part for part in parts if len(part) >= _TOKEN)}
    return written | {unquote(part) for part in written}
