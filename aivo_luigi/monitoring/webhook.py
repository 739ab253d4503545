"""A webhook that takes Slack's JSON: ETL_ALERT_WEBHOOK_URL. Its URL is a secret, which no message of ours holds."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from aivo_luigi.errors import (
    WEBHOOK_VARIABLE,
    ConfigurationError,
    EtlError,
    NotificationError,
    describe,
    secret,
)
from aivo_luigi.monitoring.messages import failure_for_chat

if TYPE_CHECKING:
    import httpx

logger = logging.getLogger("luigi-interface")

_ATTEMPTS = 4
_TIMEOUT = 10.0  # seconds, for each step of an attempt
_WAIT = wait_exponential_jitter(initial=1, max=10)  # seconds between attempts
_TOO_MANY_REQUESTS = 429
_SERVER_ERRORS = 500


class _PassingError(Exception):
    """An attempt failed in a way that may pass."""


@dataclass(frozen=True, repr=False)
class Webhook:
    """Where messages go."""

    _url: str

    def send(self, text: str) -> None:
        """Sends the text, several times if need be. Raises NotificationError where it isn't taken."""
        # One that logs at INFO or DEBUG writes down where a request went.
        for library in ("httpx", "httpcore"):
            logging.getLogger(library).setLevel(logging.WARNING)
        try:
            for attempt in Retrying(
                stop=stop_after_attempt(_ATTEMPTS),
                wait=_WAIT,
                retry=retry_if_exception_type(_PassingError),
                reraise=True,
            ):
                with attempt:
                    self._post(text)
        except _PassingError as error:
            raise _refused(f"{error}, {_ATTEMPTS} times") from None

    def _post(self, text: str) -> None:
        import httpx  # a run does without

        try:
            answer = httpx.post(self._url, json={"text": text}, timeout=_TIMEOUT)
        except httpx.InvalidURL:
            raise _no_url() from None
        except httpx.RequestError as error:
            raise _PassingError(str(error) or type(error).__name__) from None
        _look_at(answer)


def given_webhook() -> Webhook | None:
    """The webhook of the environment, or of the file that it names; None without one.

    Raises ConfigurationError where it is no URL.
    """
    url = secret(WEBHOOK_VARIABLE)
    if not url:
        return None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname
    except ValueError:
        usable = None
    if not usable:
        raise _no_url()
    return Webhook(url)


def required_webhook() -> Webhook:
    """The same; ConfigurationError without one."""
    webhook = given_webhook()
    if webhook is None:
        raise ConfigurationError(f"{WEBHOOK_VARIABLE} is not set: it says where --notify sends what fires")
    return webhook


def send_where_given(text: str) -> None:
    """Sends the text where a webhook is given; one that doesn't take it is told in the log, and hides nothing."""
    try:
        if webhook := given_webhook():
            webhook.send(text)
    except EtlError as error:
        logger.error(describe(error))


@contextmanager
def telling_of_failure(wanted: bool = True) -> Iterator[None]:
    """Sends a message, too, where the block fails: who can't look can't say that all is well."""
    try:
        yield
    except Exception as error:
        if wanted:
            send_where_given(failure_for_chat(error))
        raise


def _look_at(answer: httpx.Response) -> None:
    if answer.is_success:
        return
    reason = f"it answered {answer.status_code} {answer.reason_phrase}".strip()
    if answer.status_code == _TOO_MANY_REQUESTS or answer.status_code >= _SERVER_ERRORS:
        raise _PassingError(reason)
    raise _refused(reason)


def _refused(reason: str) -> NotificationError:
    return NotificationError(f"the webhook did not take the message ({reason}): check {WEBHOOK_VARIABLE}")


def _no_url() -> ConfigurationError:
    return ConfigurationError(f"{WEBHOOK_VARIABLE} is no URL: write it as https://host/path")
