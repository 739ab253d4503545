"""Luigi's log, for people: an error is one line; the traceback is there with ETL_DEBUG."""

from __future__ import annotations

import logging

from aivo_luigi.errors import TRACEBACK, debugging, describe, redact, traceback_of


class OneLine(logging.Filter):
    """Turns tracebacks into the one line that says what is wrong, and takes passwords out of every message."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrites the record; every record passes."""
        if record.exc_info and record.exc_info[1]:
            error = record.exc_info[1]
            record.msg = f"{record.getMessage().rstrip()}: {describe(error)}"
            record.args, record.exc_info = (), None
            record.exc_text = traceback_of(error) if debugging() else None
        elif record.exc_info:  # Luigi asks for a traceback where nothing was raised
            record.exc_info = None
        message = record.getMessage()
        if TRACEBACK in message and not debugging():
            message = _last_line(message)
        record.msg, record.args = redact(message), ()
        return True


def speak_in_one_line() -> None:
    """Puts the filter on Luigi's log. It is the only thing that importing aivo_luigi changes outside of itself."""
    logger = logging.getLogger("luigi-interface")
    if not any(isinstance(known, OneLine) for known in logger.filters):
        logger.addFilter(OneLine())


def log_in_detail() -> None:
    """With ETL_DEBUG, Luigi's log tells every SQL file that runs, its rows and its milliseconds."""
    if debugging():
        logger = logging.getLogger("luigi-interface")
        logger.setLevel(logging.DEBUG)
        for handler in logger.handlers:
            handler.setLevel(logging.DEBUG)


def _last_line(message: str) -> str:
    """What precedes the traceback, and what was raised, without the name of the exception's module."""
    before = message.partition(TRACEBACK)[0].strip().rstrip(":")
    last = message.rpartition(TRACEBACK)[2]  # of a chain of errors the last one is the one to tell
    raised = next(line for line in last.splitlines()[1:] if line and not line.startswith(" "))
    kind, separator, text = raised.partition(": ")
    return f"{before}: {text if separator and kind.startswith('aivo_luigi.') else raised}"
