"""SQL files: psql variables, and what every job's folder holds."""

from __future__ import annotations

import re
from datetime import date, datetime, timezone
from pathlib import Path

import psycopg2
import pytest
from support.pipeline import Pipeline
from support.runs import JOBS

from aivo_luigi import sqlfiles

SQL = Path(__file__).parents[1] / "sql"


def test_psql_variables_are_filled_in_and_quoted(pipeline: Pipeline) -> None:
    connection = psycopg2.connect(pipeline.source.url)

    def render(text: str, **variables: object) -> str:
        return sqlfiles.render(text, connection, **variables)

    assert (
        render("select :'a'::text, :\"b\", :c", a="it's", b='odd"name', c=5)
        == "select 'it''s'::text, \"odd\"\"name\", 5"
    )
    assert render("-- about :'nothing'\nselect 1::integer") == "select 1::integer"
    assert render("x in (:names)", names=sqlfiles.identifiers(["a", "b"], "t")) == 'x in ("t"."a", "t"."b")'
    assert render("select :'day'", day=date(2025, 1, 15)) == "select '2025-01-15'::date"
    assert "2025-01-15" in render("select :'at'", at=datetime(2025, 1, 15, tzinfo=timezone.utc))
    with pytest.raises(KeyError):
        render("select :'unknown'")
    with pytest.raises(TypeError):
        render("select :raw", raw="1; drop table tenants")
    connection.close()


@pytest.mark.parametrize("path", sorted(SQL.rglob("*.sql")), ids=lambda path: str(path.relative_to(SQL)))
def test_every_file_says_at_its_head_what_it_is(path: Path) -> None:
    assert path.read_text().startswith("-- ")


@pytest.mark.parametrize("job", JOBS)
def test_every_job_has_its_files_and_casts_what_it_extracts(job: str) -> None:
    folder = SQL / "jobs" / job
    assert (folder / "load.sql").is_file()
    extract = folder / "extract.sql"
    assert extract.is_file() or (folder / "subjects.csv").is_file()
    if not extract.is_file():
        return
    text = "\n".join(line for line in extract.read_text().splitlines() if not line.startswith("--"))
    selected = text[text.rindex("\nselect\n", 0, text.rindex("\nfrom ")) if "\nselect\n" in text else 0 :]
    columns = re.findall(r"^    (\S.*) as (\w+),?$", selected.split("\nfrom ")[0], re.MULTILINE)
    assert len(columns) > 3
    uncast = [name for expression, name in columns if not re.search(r"::\w+$", expression)]
    assert [name for name in uncast if name != "subject_code"] == []
