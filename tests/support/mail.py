"""A mail server on loopback that keeps what it is sent."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from support.pipeline import CONFIG, write_config
from support.server import free_port


@dataclass
class Mailbox:
    """The mails that came, and the luigi.cfg of who sends them."""

    config: Path
    mails: list[EmailMessage] = field(default_factory=list)
    logins: list[bytes] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"

    def log_in(self, server: Any, session: Any, envelope: Any, mechanism: str, login: Any) -> AuthResult:
        self.logins.append(login.password)
        return AuthResult(success=True)


def text_of(mail: EmailMessage) -> str:
    """Subject and body."""
    body = mail.get_body(("plain",))
    assert body is not None
    return f"{mail['Subject']}\n{body.get_content()}"


@contextmanager
def mailbox(folder: Path, base: Path = CONFIG, **sections: dict[str, Any]) -> Iterator[Mailbox]:
    """A server for the block; its luigi.cfg is `base` with a receiver, this server, and the sections given."""
    port = free_port()
    sections["email"] = {"receiver": "data@example.com,on-call@example.com", "sender": "etl@example.com"}
    sections["smtp"] = {"host": "127.0.0.1", "port": port, "username": "etl", "password": "${SMTP_PASSWORD}"}
    box = Mailbox(write_config(folder / "mail.cfg", base, **sections))
    server = Controller(
        box, hostname="127.0.0.1", port=port, authenticator=box.log_in, auth_require_tls=False, ready_timeout=10
    )
    server.start()
    try:
        yield box
    finally:
        server.stop()
