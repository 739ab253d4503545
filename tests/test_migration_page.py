"""docs/migration-from-node.md: each command in its table is run as it is written, on real databases."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from support.command import aivo_etl
from support.pipeline import Pipeline
from support.world import World

PAGE = (Path(__file__).parents[1] / "docs" / "migration-from-node.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("\n## Commands")[2].partition("\n## ")[0]
COMMANDS = re.findall(r"^\| `.*pnpm etl.*` \| `aivo-etl (.+)` \|$", TABLE, re.MULTILINE)
QUERIES = re.findall(r"`(SELECT [^`]+)`", PAGE)


def test_the_table_is_read_as_a_whole() -> None:
    assert len(COMMANDS) == len([line for line in TABLE.splitlines() if line.startswith("| `")]) >= 12
    assert len(QUERIES) >= 5


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_migration_page_works(command: str, pipeline: Pipeline, world: World) -> None:
    world.row_of_everything()
    done = aivo_etl(*shlex.split(command), timeout=120, **pipeline.environment)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout
    if not command.startswith("status"):
        assert pipeline.warehouse.value("select count(*) from etl_job_runs where status = 'SUCCESS'") > 0
        assert pipeline.warehouse.value("select count(*) from etl_job_runs where status <> 'SUCCESS'") == 0


def test_the_queries_of_the_migration_page_work(pipeline: Pipeline) -> None:
    for query in QUERIES:
        pipeline.warehouse.rows(query)
