"""The browser of the other tests: it hears what goes wrong in a page, and lets nothing leave the machine."""

from __future__ import annotations

import shutil

import pytest
from support.browser import Browser, browser_for_tests, is_local


def test_a_request_that_would_leave_is_refused_and_told(browser: Browser) -> None:
    visit = browser.visit("data:text/html,<h1>here</h1><img src='https://example.org/x.png'>")
    visit.page.wait_for_load_state("load")
    assert visit.refused == ["https://example.org/x.png"]
    assert "refused: https://example.org/x.png" in visit.complaints
    assert visit.page.inner_text("h1") == "here"


def test_errors_of_scripts_and_of_the_console_are_heard(browser: Browser) -> None:
    visit = browser.visit(
        "data:text/html,<script>console.error('one'); console.log('two'); throw Error('three')</script>"
    )
    assert [error.partition(" (")[0] for error in visit.console_errors] == ["one"]
    assert visit.page_errors == ["three"]


def test_a_page_without_errors_has_no_complaints(browser: Browser) -> None:
    assert browser.visit("data:text/html,<title>calm</title>").complaints == []


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("file:///srv/report.html", True),
        ("http://127.0.0.1:8082/static", True),
        ("http://localhost/", True),
        ("https://example.org/", False),
        ("http://127.0.0.1.example.org/", False),
        ("ws://10.0.0.1/", False),
    ],
)
def test_only_this_machine_is_local(url: str, local: bool) -> None:
    assert is_local(url) is local


def test_no_browser_is_a_skip_unless_it_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.delenv("AIVO_TEST_BROWSER", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no browser here"):
        browser_for_tests()
    monkeypatch.setenv("AIVO_TEST_BROWSER", "required")
    with pytest.raises(pytest.fail.Exception, match="required"):
        browser_for_tests()
