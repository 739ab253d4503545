"""A source and a warehouse that are filled once in a test run, and copied for each test that wants them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aivo_luigi.db import forget_connections
from aivo_luigi.jobs.completeness import forget_answers
from support.database import Database
from support.databases import Databases
from support.pipeline import Pipeline
from support.templates import source_template, warehouse_template


def prepared(
    databases: Databases,
    name: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    fill: Callable[[Database], None],
    build: Callable[[Database, Database], None],
    url: Callable[[str], str] = str,
) -> Iterator[Pipeline]:
    """The pipeline between the two, for one test: `fill` gets the source, `build` both, the environment set.

    `url` changes the databases' URLs, for instance to `with_clock`.
    """

    def make_source(plain: str) -> None:
        source = Database(plain)
        fill(source)
        source.close()

    def make_warehouse(plain: str) -> None:
        monkeypatch.setenv("WAREHOUSE_DATABASE_URL", url(plain))
        pair = Database(source_url), Database(plain)
        build(*pair)
        for database in pair:
            database.close()
        forget_connections()

    source_url = url(databases.create_from(f"{name}_source", make_source, source_template(databases)))
    monkeypatch.setenv("OLTP_DATABASE_URL", source_url)
    warehouse = databases.create_from(f"{name}_warehouse", make_warehouse, warehouse_template(databases))
    warehouse_url = url(warehouse)
    pipeline = Pipeline(Database(source_url), Database(warehouse_url), folder)
    for variable, value in pipeline.environment.items():
        monkeypatch.setenv(variable, value)
    yield pipeline
    forget_answers()
    forget_connections()
    for database in (pipeline.source, pipeline.warehouse):
        database.close()
        databases.drop_soon(database.url)
