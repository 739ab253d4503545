"""A real Chromium without a window, that goes nowhere but to this machine and remembers everything that went wrong."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Route

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Whatever slips past the route below finds no name to connect to.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
LOCAL_SCHEMES = ("file", "data", "blob", "about")
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


class Visit:
    """A page in a profile of its own. `page` is Playwright's; what happened in it is in the lists."""

    def __init__(self, context: BrowserContext) -> None:
        self.console_errors: list[str] = []
        self.page_errors: list[str] = []
        self.requests: list[str] = []
        self.refused: list[str] = []
        context.route("**/*", self._let_pass)
        self.page: Page = context.new_page()
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.page_errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("websocket", lambda socket: self.requests.append(socket.url))

    @property
    def complaints(self) -> list[str]:
        """Errors of the console and of scripts, and requests that would have left this machine."""
        return [*self.console_errors, *self.page_errors, *(f"refused: {url}" for url in self.refused)]

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.console_errors.append(f"{message.text} ({message.location.get('url', '')})")

    def _let_pass(self, route: Route) -> None:
        if is_local(route.request.url):
            route.continue_()
        else:
            self.refused.append(route.request.url)
            route.abort()


class Browser:
    """Chromium, until `stop`. Raises LookupError where the machine has none."""

    def __init__(self) -> None:
        executable = next(filter(None, map(shutil.which, NAMES)), None)
        if executable is None:
            raise LookupError(f"no browser here: none of {', '.join(NAMES)} is installed (Debian: chromium)")
        from playwright.sync_api import sync_playwright  # most test files do without

        self._playwright = sync_playwright().start()
        self._kept: list[BrowserContext] = []
        try:
            self._chromium = self._playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        except BaseException:
            self._playwright.stop()
            raise

    def visit(self, url: str | None = None, *, width: int = 1280, height: int = 900, **options: Any) -> Visit:
        """A page with a profile of its own, opened at the URL; `options` are those of Playwright's new_context.

        For instance `color_scheme="dark"`, `is_mobile=True`, `device_scale_factor=2`.
        """
        context = self._chromium.new_context(
            viewport={"width": width, "height": height}, service_workers="block", **options
        )
        context.set_default_timeout(60_000)  # a page may take its time on a busy machine
        visit = Visit(context)
        if url is not None:
            visit.page.goto(url)
        return visit

    def keep(self, visit: Visit) -> Visit:
        """The same, which `close_visits` leaves open: for tests that only read the page."""
        self._kept.append(visit.page.context)
        return visit

    def close_visits(self) -> None:
        for context in self._chromium.contexts:
            if context not in self._kept:
                context.close()

    def stop(self) -> None:
        self._chromium.close()
        self._playwright.stop()


def browser_for_tests() -> Browser:
    """Chromium; without one the test is skipped, or fails where AIVO_TEST_BROWSER is "required"."""
    try:
        return Browser()
    except LookupError as error:
        if os.environ.get("AIVO_TEST_BROWSER") == "required":
            pytest.fail(f"{error}, and AIVO_TEST_BROWSER says that it is required", pytrace=False)
        pytest.skip(str(error))


def is_local(url: str) -> bool:
    """Whether asking for it stays on this machine."""
    parts = urlsplit(url)
    return parts.scheme in LOCAL_SCHEMES or parts.hostname in LOCAL_HOSTS
