"""Errors for people: one line that says what is wrong and what to do."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from urllib.parse import unquote, urlsplit


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
    name = type(error).__name__
    return redact(f"{name}: {lines[0]}" if lines else name)


def _server_message(sqlstate: str, message: str) -> str:
    """The server's message; for data exceptions (class 22) without the value that it quotes."""
    if sqlstate.startswith("22"):
        message = re.sub(r'(: )?"[^"]*"', "", message)
    return f"{message.splitlines()[0]} (SQLSTATE {sqlstate})"


def redact(text: str) -> str:
    """The text with the passwords of the two database URLs replaced by ***."""
    for secret in _passwords():
        text = text.replace(secret, "***")
    return text


def _passwords() -> set[str]:
    """Every spelling in which a password of ours could reach a message."""
    found: set[str] = set()
    for variable in ("OLTP_DATABASE_URL", "WAREHOUSE_DATABASE_URL"):
        url = os.environ.get(variable, "")
        written = {match.group(1) for match in re.finditer(r"://[^/@:]*:([^@/]+)@", url)}
        written |= {match.group(1) for match in re.finditer(r"password=([^&\s]+)", url)}
        with suppress(ValueError):
            written.add(urlsplit(url).password or "")
        found |= written | {unquote(password) for password in written}
    return {password for password in found if len(password) > 1}
