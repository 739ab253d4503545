"""TLS on the loopback: a server with a certificate, and URLs that name it as if a name server knew it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import pytest
import trustme
from sqlalchemy.engine import make_url

from support.server import Server, installed


def secure_server(
    authority: trustme.CA, names: tuple[str, ...], access: str, settings: Mapping[str, str] | None = None
) -> Server:
    """A server with a certificate for these names and addresses. Skips the test where none here knows TLS."""
    binaries = installed()
    if not binaries:
        pytest.skip("there is no PostgreSQL here that knows TLS: the embedded ones don't (Debian: postgresql)")
    return Server(
        binaries,
        settings={"ssl": "on", "ssl_cert_file": "own.crt", "ssl_key_file": "own.key", **(settings or {})},
        access=access,
        files=certificate(authority, *names),
    )


def certificate(authority: trustme.CA, *names: str) -> dict[str, bytes]:
    """The files own.crt and own.key for these names and addresses."""
    issued = authority.issue_cert(*names)
    return {"own.crt": issued.cert_chain_pems[0].bytes(), "own.key": issued.private_key_pem.bytes()}


def verify_full(authority: trustme.CA, folder: Path) -> dict[str, str]:
    """The options of a URL: verify-full, and who signed the server's certificate."""
    file = folder / "authority.crt"
    authority.cert_pem.write_to_path(file)
    return {"sslmode": "verify-full", "sslrootcert": str(file)}


def named(url: str, host: str, **options: str) -> str:
    """The URL of a database on 127.0.0.1, by a host's name."""
    asked = "&".join(f"{option}={quote(value, safe='')}" for option, value in options.items())
    return f"{make_url(url).set(host=host).render_as_string(hide_password=False)}?hostaddr=127.0.0.1&{asked}"
