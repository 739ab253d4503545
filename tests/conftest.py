"""The fixtures that every test may ask for. `pipeline` and `world` are the everyday ones."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]

# Luigi reads its configuration once, when it is imported: the repository's, wherever the tests are started.
os.environ["LUIGI_CONFIG_PATH"] = str(REPOSITORY / "luigi.cfg")

import luigi.configuration  # noqa: E402
import pytest  # noqa: E402
from luigi.task_register import Register  # noqa: E402
from support.browser import Browser, browser_for_tests  # noqa: E402
from support.database import Database  # noqa: E402
from support.databases import Databases  # noqa: E402
from support.luigid import Luigid  # noqa: E402
from support.pipeline import Pipeline  # noqa: E402
from support.server import AnyServer, server_for_tests  # noqa: E402
from support.templates import source_template, warehouse_template  # noqa: E402
from support.world import World  # noqa: E402


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The histories first: they take longest."""
    items.sort(key=lambda item: item.path.name != "test_properties.py")


def pytest_collection_finish() -> None:
    """What is there now stays: Python needn't look through it, again and again, for what could go."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def server() -> Iterator[AnyServer]:
    """The PostgreSQL of this test run (of this worker, under pytest-xdist)."""
    server = server_for_tests()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def databases(server: AnyServer) -> Iterator[Databases]:
    databases = Databases(server)
    yield databases
    databases.close()


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test meets the databases, the webhook or the debugging of the person who runs it."""
    urls = ("OLTP_DATABASE_URL", "WAREHOUSE_DATABASE_URL", "ETL_ALERT_WEBHOOK_URL")
    for name in (*urls, *(f"{url}_FILE" for url in urls), "ETL_DEBUG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """The first luigi.build of a process sets how much Luigi logs, for all that come after it."""
    log = logging.getLogger("luigi-interface")
    before = log.level
    yield
    log.setLevel(before)


@pytest.fixture
def empty_url(databases: Databases) -> Iterator[str]:
    """A database with nothing in it."""
    url = databases.create()
    yield url
    _forget()
    databases.drop_soon(url)


@pytest.fixture
def source_url(databases: Databases) -> Iterator[str]:
    """A source with its tables and indexes, and no rows."""
    url = databases.next_of(source_template(databases))
    yield url
    _forget()
    databases.drop_soon(url)


@pytest.fixture
def warehouse_url(databases: Databases) -> Iterator[str]:
    """A migrated warehouse, in which nothing has run."""
    url = databases.next_of(warehouse_template(databases))
    yield url
    _forget()
    databases.drop_soon(url)


@pytest.fixture
def password_url(server: AnyServer) -> Callable[[str], str]:
    """Turns a database's URL into that of a role which has to give its password."""

    def with_password(url: str) -> str:
        changed = server.password_url(Databases.name_of(url))
        if changed is None:
            pytest.skip("the server given by AIVO_TEST_DATABASE_URL asks for no password")
        return changed

    return with_password


@pytest.fixture
def pipeline(
    source_url: str, warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Pipeline]:
    """A source, a warehouse, and this process's environment pointing at both."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    pipeline = Pipeline(Database(source_url), Database(warehouse_url), folder)
    for name, value in pipeline.environment.items():
        monkeypatch.setenv(name, value)
    yield pipeline
    pipeline.source.close()
    pipeline.warehouse.close()
    _forget()


@pytest.fixture
def world(pipeline: Pipeline) -> World:
    """Builders of rows in the pipeline's source."""
    return World(pipeline.source)


@pytest.fixture
def etl_option() -> Iterator[Callable[[str, str], None]]:
    """Sets an option of luigi.cfg's section [etl] for one test: `etl_option("allow_mass_close", "true")`."""
    with _options("etl") as change:
        yield change


@pytest.fixture
def alerts_option() -> Iterator[Callable[[str, str], None]]:
    """The same of section [alerts]."""
    with _options("alerts") as change:
        yield change


@pytest.fixture
def retention_option() -> Iterator[Callable[[str, str], None]]:
    """The same of section [retention]."""
    with _options("retention") as change:
        yield change


@contextmanager
def _options(section: str) -> Iterator[Callable[[str, str], None]]:
    config = luigi.configuration.get_config()
    before = dict(config.items(section, raw=True)) if config.has_section(section) else {}
    changed: set[str] = set()

    def change(name: str, value: str) -> None:
        config.set(section, name, value)
        changed.add(name)

    yield change
    for name in changed:
        if name in before:
            config.set(section, name, before[name])
        else:
            config.remove_option(section, name)
    Register.clear_instance_cache()


@pytest.fixture
def luigid(tmp_path: Path) -> Iterator[Luigid]:
    """A central scheduler; `luigid.config` is the luigi.cfg of its clients."""
    folder = tmp_path / "luigid"
    folder.mkdir()
    luigid = Luigid(folder)
    yield luigid
    luigid.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A Chromium for the tests of a file: it takes a second to start, and other files should not pay for it."""
    chromium = browser_for_tests()
    yield chromium
    chromium.stop()


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """`browser.visit(url)` opens a page; see support/browser.py."""
    yield chromium
    chromium.close_visits()


def _forget() -> None:
    """Close the connections that this process keeps, and forget the tasks that Luigi remembers."""
    from aivo_luigi.db import forget_connections

    forget_connections()
    Register.clear_instance_cache()
