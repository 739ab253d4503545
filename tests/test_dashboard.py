"""The Grafana dashboard: each of its queries runs, on the warehouse's views alone, and shows what is there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import pytest
from psycopg2 import sql
from support.database import Database
from support.manifests import K8S
from support.pipeline import Pipeline
from support.world import World, at

from aivo_luigi import RunAll

DASHBOARD: dict[str, Any] = json.loads((K8S / "components/grafana/aivo-luigi.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
VARIABLES = {v["name"]: v for v in DASHBOARD["templating"]["list"] if v["type"] == "query"}
VIEWS = [
    "etl_recent_runs",
    "etl_daily_success",
    "etl_job_days",
    "etl_freshness",
    "etl_rejects",
    "etl_row_expectations",
]
DAYS = [date(2025, 1, day) for day in (13, 14, 15)]


def filled(query: str) -> str:
    """The query as Grafana sends it: macros and variables filled in."""
    query = re.sub(r"\$__timeFilter\(([^)]*)\)", r"\1 between '2025-01-01T00:00:00Z' and '2099-01-01T00:00:00Z'", query)
    jobs = ", ".join(f"'{job}'" for job in ("sync_dim_tenant", "build_fact_sessions", "build_fact_focus_events"))
    query = query.replace("$job", jobs).replace("$fact", "build_fact_sessions")
    assert "$" not in query, f"a macro or variable that this test does not know: {query}"
    return query


def queries() -> list[tuple[str, str, str]]:
    """Title, format and query of everything that the dashboard asks."""
    asked = [(p["title"], t["format"], t["rawSql"]) for p in PANELS for t in p["targets"]]
    return asked + [(f"variable {name}", "table", v["query"]) for name, v in VARIABLES.items()]


@pytest.fixture
def grafana(pipeline: Pipeline, world: World) -> Iterator[Database]:
    """The warehouse after three days, a failure and a rejected field, as a role that may read the views alone."""
    world.tenant()
    world.learner()
    world.session(started_at=at("10:00"), duration_ms=-5)  # on 2025-01-15; a duration that can't be read
    pipeline.run(*[RunAll(date=day) for day in DAYS])
    warehouse = pipeline.warehouse
    warehouse.execute(
        "insert into etl_job_runs (id, job_name, run_date, target_date, status, error_message, started_at)"
        " values (gen_random_uuid(), 'build_fact_sessions', '2025-01-16', '2025-01-12', 'FAILED', 'no', now())"
    )
    role = warehouse.value("select 'grafana_' || current_database()")
    warehouse.execute(sql.SQL("create role {}").format(sql.Identifier(role)))
    warehouse.execute(f'grant select on {", ".join(VIEWS)} to "{role}"; set role "{role}"')
    yield warehouse
    warehouse.execute(f'reset role; drop owned by "{role}"; drop role "{role}"')


def test_every_query_runs_on_the_views_alone_and_finds_what_is_there(grafana: Database) -> None:
    with pytest.raises(Exception, match="permission denied"):
        grafana.value("select count(*) from etl_job_runs")
    for title, kind, query in queries():
        rows = grafana.rows(filled(query))
        assert rows, f"{title}: nothing is found"
        if kind == "time_series":
            assert all(isinstance(row["time"], datetime) for row in rows), title
            assert [row["time"] for row in rows] == sorted(row["time"] for row in rows), title
            named = [key for key in rows[0] if key not in ("time", "metric")]
            assert all(row[key] is None or not isinstance(row[key], str) for row in rows for key in named), title


def shown(grafana: Database, title: str) -> list[dict[str, Any]]:
    (query,) = [query for name, _, query in queries() if name == title]
    return grafana.rows(filled(query))


def test_the_numbers_are_those_of_the_runs(grafana: Database) -> None:
    assert shown(grafana, "Facts complete through") == [{"day": "2025-01-15"}]
    assert shown(grafana, "Jobs whose last run failed") == [{"jobs": 1}]
    assert shown(grafana, "Running now") == [{"runs": 0}]
    assert shown(grafana, "Rejected records") == [{"records": 1}]
    assert [row["reason"] for row in shown(grafana, "Failed runs")] == ["no"]
    standing = {
        (row["time"].date(), row["value"])
        for row in shown(grafana, "How each day stands")
        if "sessions" in row["metric"]
    }
    assert standing == {(date(2025, 1, 12), 0), *((day, 3) for day in DAYS)}
    read = [row for row in shown(grafana, "Rows read by day") if row["metric"] == "build_fact_sessions"]
    assert [(row["time"].date(), row["value"]) for row in read] == [(day, int(day == DAYS[-1])) for day in DAYS]


def test_every_view_for_dashboards_is_on_it() -> None:
    text = " ".join(query for _, _, query in queries())
    assert {view for view in VIEWS if re.search(rf"\bfrom {view}\b", text)} == set(VIEWS)


def test_every_panel_says_what_it_shows_and_has_a_place_of_its_own() -> None:
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert place["x"] + place["w"] <= 24, panel["title"]
        assert not cells & taken, f"{panel['title']} lies on another panel"
        taken |= cells
    assert all(panel["title"] and panel["description"] for panel in PANELS)


def test_the_data_source_is_chosen_where_the_dashboard_is_opened() -> None:
    assert {str(panel["datasource"]["uid"]) for panel in PANELS} == {"${warehouse}"}
    assert {t["datasource"]["uid"] for panel in PANELS for t in panel["targets"]} == {"${warehouse}"}
    assert [v["name"] for v in DASHBOARD["templating"]["list"]] == ["warehouse", *VARIABLES]
