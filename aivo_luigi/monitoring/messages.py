"""What is said of the alerts where it leaves the house: in a mail, in a chat. No ids of rows in it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from psycopg2 import ProgrammingError
from psycopg2.extensions import parse_dsn

from aivo_luigi.config import warehouse_url
from aivo_luigi.errors import EtlError, describe, mask_ids
from aivo_luigi.monitoring.alerts import Alert

_IN_A_LINE = 5
_IN_A_MESSAGE = 20
_WIDTH = 300  # signs of a line: a failed run's message may be long


def one_line(firing: Sequence[Alert]) -> str:
    """How many fire, and the first few of them."""
    return f"{_how_many(firing)} ({mask_ids('; '.join(map(_told, firing[:_IN_A_LINE])))})"


def for_chat(firing: Sequence[Alert]) -> str:
    """A heading, a line for each (of very many: the first), and how to go on."""
    lines = [textwrap.shorten(mask_ids(_told(alert)), _WIDTH, placeholder=" …") for alert in firing[:_IN_A_MESSAGE]]
    more = [f"and {len(firing) - len(lines)} more"] if len(firing) > len(lines) else []
    said = [f"{_sender()}: {_how_many(firing)}", *(f"• {line}" for line in lines), *more]
    return _escaped("\n".join([*said, "All of them: aivo-etl check"]))


def failure_for_chat(error: Exception) -> str:
    """Why nobody can say whether an alert fires."""
    return _escaped(f"{_sender()}: can't look for alerts: {mask_ids(describe(error))}")


def _sender() -> str:
    """Who speaks, for a chat in which several warehouses do."""
    try:
        parts = parse_dsn(warehouse_url())
    except (EtlError, ProgrammingError):
        return "aivo-etl"
    return f"aivo-etl, warehouse {parts.get('dbname', '')} on {parts.get('host', 'localhost')}"


def _escaped(text: str) -> str:
    """Slack's JSON reads &, < and > as its own."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _how_many(firing: Sequence[Alert]) -> str:
    return "1 alert fires" if len(firing) == 1 else f"{len(firing)} alerts fire"


def _told(alert: Alert) -> str:
    return f"{alert.name}: {alert.sentence()}"
