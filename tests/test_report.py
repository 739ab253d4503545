"""The report: what it says is what the warehouse says, everyone can read it, and it needs nothing but itself."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.browser import Browser, Visit
from support.clock import take_over
from support.command import AIVO_ETL, aivo_etl, environment
from support.database import Database, Row
from support.databases import Databases
from support.pipeline import Pipeline
from support.runs import DIMENSIONS, JOBS
from support.server import free_port
from support.world import uid

from aivo_luigi.cli import main
from aivo_luigi.db import forget_connections
from aivo_luigi.errors import ConfigurationError
from aivo_luigi.report.output import write
from aivo_luigi.warehouse.migrations import migrate

TODAY = date(2025, 3, 12)
YESTERDAY = TODAY - timedelta(days=1)
NOON = datetime(2025, 3, 12, 12, tzinfo=timezone.utc)
SHOWN = [TODAY - timedelta(days=back) for back in reversed(range(30))]
DAYS_AGO = [TODAY - timedelta(days=back) for back in range(50)]
HOSTILE = "<script>alert('x')</script>"

DESKTOP = {"width": 1280, "color_scheme": "light"}
PHONE = {"width": 360, "height": 740, "color_scheme": "dark", "is_mobile": True, "has_touch": True}


@dataclass(frozen=True)
class Told:
    """A warehouse, and the report made of it."""

    warehouse: Database
    url: str
    size: int


def told_by(url: str, *arguments: str) -> Result:
    """What the command says of a warehouse. In this process, which has the libraries loaded."""
    with pytest.MonkeyPatch.context() as environment:
        for name in ("OLTP_DATABASE_URL", "WAREHOUSE_DATABASE_URL"):
            environment.setenv(name, url)
        done = CliRunner().invoke(main, list(arguments))
    forget_connections()
    return done


@pytest.fixture(scope="module")
def told(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Three months of runs with every kind of trouble, as seen at noon."""
    url = databases.create()
    migrate(url)
    warehouse = Database(url)
    take_over(warehouse).set(NOON)
    three_months(warehouse)
    trouble(warehouse)
    file = tmp_path_factory.mktemp("report") / "report.html"
    made = told_by(url, "report", "--output", str(file))
    assert made.exit_code == 0, made.output
    yield Told(warehouse, file.as_uri(), file.stat().st_size)
    warehouse.close()
    databases.drop(url)


def three_months(warehouse: Database) -> None:
    """Each fact built once the day was over, each dimension synced twice a day."""
    warehouse.execute("""
        insert into etl_job_runs (
            job_name, run_date, target_date, status, started_at, completed_at,
            rows_processed, rows_inserted, rows_updated, rows_deleted, duration_ms
        )
        select
            job, (day + offset_of)::date, day::date, 'SUCCESS', (day + offset_of), (day + offset_of),
            1000 * number + extract(day from day)::int, 10 * number, number, 1, 1234 * number
        from generate_series(timestamptz '2024-12-11', '2025-03-11', '1 day') as day
        cross join (values
            ('sync_dim_tenant', 1), ('sync_dim_learner', 2), ('sync_dim_user', 3), ('sync_dim_subject', 4),
            ('sync_dim_skill', 5), ('build_fact_sessions', 6), ('build_fact_focus_events', 7),
            ('build_fact_homework_events', 8), ('build_fact_learning_progress', 9),
            ('build_fact_recommendation_events', 10)
        ) as jobs (job, number)
        cross join lateral unnest(
            case when job like 'sync%' then array[interval '25 hours', '34 hours'] else array[interval '26 hours'] end
        ) as offset_of""")


def trouble(warehouse: Database) -> None:
    """A failed, a missing, a provisional, a running and a shaken day; rejected rows; a broken promise."""
    warehouse.execute(
        "delete from etl_job_runs where (job_name, target_date) in (('build_fact_sessions', %(one)s),"
        " ('build_fact_focus_events', %(four)s), ('build_fact_homework_events', %(one)s))",
        one=DAYS_AGO[1],
        four=DAYS_AGO[4],
    )
    broken = (
        f"sessions break{HOSTILE} breaks its promise no_session_is_there_twice (id {uid('a session')}): rolled back"
    )
    run(warehouse, "build_fact_sessions", DAYS_AGO[1], status="FAILED", error_message=broken, duration_ms=500)
    run(warehouse, "build_fact_homework_events", DAYS_AGO[1], status="RUNNING", completed_at=None)
    run(warehouse, "build_fact_learning_progress", DAYS_AGO[2], status="FAILED", error_message="no luck")
    half = (
        "update etl_job_runs set rows_processed = rows_processed / 2 where job_name = %(job)s and target_date = %(day)s"
    )
    warehouse.execute(half, job="build_fact_homework_events", day=DAYS_AGO[5])
    run(warehouse, "build_fact_sessions", TODAY, rows_processed=77, duration_ms=60)
    again = run(warehouse, "build_fact_recommendation_events", DAYS_AGO[3], rows_processed=900, rows_rejected=200)
    for number in range(200):
        warehouse.insert(
            "etl_rejected_rows",
            run_id=again,
            job_name="build_fact_recommendation_events",
            target_date=DAYS_AGO[3],
            source_table="recommendations",
            source_id=str(uid(f"rejected {number}")),
            field="responded_at" if number % 4 else None,
            reason="infinite" if number % 4 else "no learner",
            payload={"name": "a learner's name"},
        )


def run(warehouse: Database, job: str, day: date, **columns: Any) -> Any:
    """A row of etl_job_runs, of a run that succeeded an hour ago unless something else is given; its id."""
    started = NOON - timedelta(hours=1)
    usual = {"status": "SUCCESS", "started_at": started, "run_date": started.date(), "completed_at": NOON}
    row = {"id": uid(f"{job} {day} {columns}"), "job_name": job, "target_date": day, **usual, **columns}
    warehouse.insert("etl_job_runs", **row)
    return row["id"]


@pytest.fixture(scope="module")
def visit(told: Told, chromium: Browser) -> Visit:
    """The report, opened once for all tests that only read it."""
    return chromium.keep(chromium.visit(told.url, **DESKTOP))


def table(visit: Visit, selector: str) -> list[list[str]]:
    """The text of each cell of a table's body, also of one that is not shown."""
    return visit.page.eval_on_selector_all(
        f"{selector} tbody tr", "rows => rows.map(row => [...row.cells].map(cell => cell.textContent.trim()))"
    )


def number(text: str) -> float | None:
    return float(text.replace(",", "")) if text else None


def standing(warehouse: Database) -> dict[tuple[str, date], Row]:
    """What the run rows say of each job and day, asked without the views."""
    rows = warehouse.rows("""
        select
            job_name,
            case when job_name like 'sync%' then run_date else target_date end as day,
            (array_agg(status order by started_at desc))[1] as last_status,
            (array_agg(rows_processed order by started_at desc) filter (where status = 'SUCCESS'))[1] as row_count,
            (array_agg(duration_ms order by started_at desc) filter (where status = 'SUCCESS'))[1] as duration_ms,
            (array_agg(rows_rejected order by started_at desc) filter (where status = 'SUCCESS'))[1] as rejected,
            bool_or(status = 'SUCCESS') as succeeded,
            bool_or(status = 'SUCCESS' and (job_name like 'sync%' or started_at >= target_date + 1)) as final
        from etl_job_runs group by 1, 2""")
    return {(row["job_name"], row["day"]): row for row in rows}


def expected_word(job: str, day: date, row: Row | None) -> str:
    if row is None:
        if job in DIMENSIONS:
            return "not run"
        return "not due yet" if day == TODAY else "missing"
    if row["last_status"] == "RUNNING":
        return "running"
    if row["final"]:
        return "complete, but the last run failed" if row["last_status"] == "FAILED" else "complete"
    return "provisional" if row["succeeded"] else "failed"


def test_it_opens_without_an_error_asks_for_nothing_and_fits_in_dark_and_light(told: Told, browser: Browser) -> None:
    visit = browser.visit(told.url)
    colours = []
    for scheme in ("light", "dark"):
        visit.page.emulate_media(color_scheme=scheme)
        for width in (1280, 768, 360):
            visit.page.set_viewport_size({"width": width, "height": 800})
            assert visit.page.evaluate("document.documentElement.scrollWidth") == width
        assert poor_contrasts(visit) == []
        of_text = "getComputedStyle(document.querySelector('svg text')).fill"
        colours.append(visit.page.evaluate(f"[getComputedStyle(document.body).backgroundColor, {of_text}]"))
    assert all(light != dark for light, dark in zip(*colours, strict=True))
    assert visit.complaints == []
    assert visit.requests == [told.url]


def poor_contrasts(visit: Visit) -> list[str]:
    """Text that is harder to read than WCAG 2 allows (AA), with its ratio."""
    return visit.page.evaluate("""() => {
        const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
        const known = {};
        const rgba = (colour) => known[colour] ??= read(colour);
        const read = (colour) => {
            canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
            return [...canvas.getImageData(0, 0, 1, 1).data];
        };
        const light = (colour) => {
            const linear = (part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
            const [r, g, b] = colour.map(part => linear(part / 255));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const behind = (element) => {
            for (let at = element; at; at = at.parentElement) {
                const colour = rgba(getComputedStyle(at).backgroundColor);
                if (colour[3] === 255) return colour;
            }
            return [255, 255, 255];
        };
        const poor = [];
        for (const element of document.querySelectorAll("body *:not(script, title, desc)")) {
            if (![...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())) continue;
            const style = getComputedStyle(element);
            const front = light(rgba(element.ownerSVGElement ? style.fill : style.color));
            const back = light(behind(element));
            const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
            if (ratio < 4.5) poor.push(`${element.tagName} ${element.textContent.trim()} ${ratio.toFixed(2)}`);
        }
        return poor;
    }""")


def test_last_night_is_what_the_run_rows_say(told: Told, visit: Visit) -> None:
    rows = {row[0]: row for row in table(visit, "#jobs-now")}
    assert list(rows) == JOBS
    days = standing(told.warehouse)
    for job in JOBS:
        last = days.get((job, TODAY if job in DIMENSIONS else YESTERDAY))
        assert expected_word(job, YESTERDAY, last) in rows[job][1]
        count, seconds, rejected = map(number, rows[job][2:5])
        if last and last["succeeded"]:
            assert (count, rejected) == (last["row_count"], last["rejected"])
            assert seconds == round(last["duration_ms"] / 1000, 2)
        else:
            assert (count, seconds, rejected) == (None, None, None)
    assert rows["build_fact_focus_events"][5] == str(YESTERDAY)
    assert rows["sync_dim_user"][6] == "2025-03-12 10:00"


def test_each_cell_of_the_heat_map_is_what_the_run_rows_say(told: Told, visit: Visit) -> None:
    rows = table(visit, "#heat-map")
    days = standing(told.warehouse)
    assert [row[0] for row in rows] == JOBS
    words = set()
    for job, *cells in rows:
        assert len(cells) == len(SHOWN)
        for day, cell in zip(SHOWN, cells, strict=True):
            row = days.get((job, day))
            word = expected_word(job, day, row)
            assert f"{job} {day}: {word}" in cell
            if row and row["succeeded"]:
                assert f". {row['row_count']:,} rows, " in cell
                assert f"{row['duration_ms'] / 1000:.2f} s, started " in cell
            words.add(word)
    assert len(words) == 7
    assert "aivo-etl run-job --job build_fact_focus_events --date 2025-03-08 builds it" in str(rows)


def test_the_numbers_behind_each_figure_are_those_of_the_run_rows(told: Told, visit: Visit) -> None:
    days = standing(told.warehouse)
    for job in JOBS:
        rows = table(visit, f"article[aria-labelledby='job-{job}'] details")
        ran = [(day, days[job, day]) for day in reversed(SHOWN) if (job, day) in days]
        assert [row[0] for row in rows] == [str(day) for day, _ in ran]
        for row, (day, expected) in zip(rows, ran, strict=True):
            assert row[1] == expected_word(job, day, expected)
            if expected["succeeded"]:
                counts = [number(text) for text in (row[2], *row[4:])]
                assert counts == [
                    expected["row_count"],
                    expected["rejected"],
                    round(expected["duration_ms"] / 1000, 2),
                ]
            else:
                assert row[2:] == ["", "", "", ""]


def test_an_unusual_number_of_rows_is_marked_beside_what_is_usual(told: Told, visit: Visit) -> None:
    job = "build_fact_homework_events"
    expected = told.warehouse.rows("select * from etl_row_expectations where not_judged is null or is_unusual")
    assert {(row["job_name"], row["day"]) for row in expected if row["is_unusual"]} == {
        (job, DAYS_AGO[5]),
        ("build_fact_recommendation_events", DAYS_AGO[3]),
    }
    rows = {row[0]: row[3] for row in table(visit, f"article[aria-labelledby='job-{job}'] details")}
    usual = {str(row["day"]): row for row in expected if row["job_name"] == job}
    assert len(usual) > 5
    for day, text in rows.items():
        row = usual.get(day)
        assert text.removesuffix(": unusual") == (f"{row['lower_rows']:,} to {row['upper_rows']:,}" if row else "")
        assert text.endswith("unusual") == (day == str(DAYS_AGO[5]))
    figure = visit.page.get_by_role("img", name=f"Rows and seconds of {job} by day")
    assert "unusual number of rows: 1." in (figure.locator("desc").text_content() or "")


def test_the_growth_of_a_dimension_is_the_sum_of_its_runs(told: Told, visit: Visit) -> None:
    for job in DIMENSIONS:
        rows = table(visit, f"article[aria-labelledby='growth-of-{job}'] details")
        expected = told.warehouse.rows(
            """
            select day, inserted, updated, deleted, sum(inserted - deleted) over (order by day)::int as members
            from (
                select run_date as day, sum(rows_inserted)::int as inserted, sum(rows_updated)::int as updated,
                    sum(rows_deleted)::int as deleted
                from etl_job_runs where job_name = %(job)s and status = 'SUCCESS' group by 1
            ) as days order by day desc limit 30""",
            job=job,
        )
        assert [[row[0], *map(number, row[1:])] for row in rows] == [
            [str(row["day"]), row["inserted"], row["updated"], row["deleted"], row["members"]] for row in expected
        ]


def test_what_was_rejected_is_counted_by_reason(visit: Visit) -> None:
    assert table(visit, "#rejected-by-reason") == [
        ["build_fact_recommendation_events", "recommendations, responded_at", "infinite", "150", str(DAYS_AGO[3])],
        ["build_fact_recommendation_events", "recommendations, whole row", "no learner", "50", str(DAYS_AGO[3])],
    ]
    assert table(visit, "section[aria-labelledby='rejects'] .card details") == [[str(DAYS_AGO[3]), "200"]]


def test_a_broken_promise_is_told_and_a_warning_is_not_claimed_to_hold(visit: Visit) -> None:
    section = visit.page.inner_text("section[aria-labelledby='checks']")
    assert "build_fact_sessions, no session is there twice: broken by 1 run" in section
    promises = {(row[0], row[1]): row[2:] for row in table(visit, "#promises")}
    assert promises["build_fact_sessions", "no session is there twice"][0] == "broken by 1"
    assert promises["build_fact_focus_events", "no link leads nowhere"] == ["not broken", "2025-03-12 02:00"]
    assert promises["build_fact_sessions", "no session ends before it starts"] == ["only warns: see the log", ""]


def test_every_run_listed_is_a_run_row_and_has_an_anchor(told: Told, visit: Visit) -> None:
    rows = {row["id"]: row for row in told.warehouse.rows("select * from etl_job_runs")}
    latest = told.warehouse.column("select id from etl_job_runs order by started_at desc, id limit 500")
    ids = visit.page.eval_on_selector_all("table.runs tbody tr", "rows => rows.map(row => row.id)")
    assert sorted(ids) == sorted(f"run-{id}" for id in latest)
    for row, id in zip(table(visit, "table.runs"), ids, strict=True):
        expected = next(rows[key] for key in rows if f"run-{key}" == id)
        assert row[0] == f"{expected['started_at']:%Y-%m-%d %H:%M:%S}"
        assert row[1:3] == [expected["job_name"], str(expected["target_date"])]
        names = ("rows_processed", "rows_inserted", "rows_updated", "rows_deleted", "rows_rejected")
        assert [number(text) for text in row[4:9]] == [expected[name] for name in names]
        assert number(row[9]) == round(expected["duration_ms"] / 1000, 2)


def test_a_link_to_an_earlier_run_opens_the_list_and_marks_the_run(told: Told, browser: Browser) -> None:
    earlier = told.warehouse.value("select id from etl_job_runs order by started_at desc offset 200 limit 1")
    visit = browser.visit(f"{told.url}#run-{earlier}", **DESKTOP)
    row = visit.page.locator(f"[id='run-{earlier}']")
    assert row.is_visible()
    assert row.evaluate("row => row.matches(':target') && getComputedStyle(row).outlineStyle") == "solid"


def test_the_head_says_what_fires_in_words_and_in_the_title(told: Told, visit: Visit) -> None:
    alerts = json.loads(told_by(told.warehouse.url, "check", "--json").stdout)
    assert len(alerts) > 3
    assert visit.page.inner_text("h1").strip() == f"✕ {len(alerts)} alerts fire"
    assert visit.page.title().startswith(f"{len(alerts)} alerts fire")
    shown = visit.page.locator("section[aria-labelledby='alerts'] li").all_inner_texts()
    for alert, text in zip(alerts, shown, strict=True):
        assert text.startswith(alert["name"])
        assert alert["job_name"] in text


def test_no_id_and_no_payload_is_in_it_and_messages_are_only_text(told: Told, visit: Visit) -> None:
    page = visit.page.content()
    assert str(uid("a session")) not in page
    assert str(uid("rejected 1")) not in page
    assert "a learner's name" not in visit.page.text_content("body")
    assert HOSTILE in visit.page.inner_text("#jobs-now")
    assert "(id …): rolled back" in page


def test_every_link_and_label_leads_somewhere_and_no_id_is_there_twice(visit: Visit) -> None:
    assert visit.page.evaluate("""() => {
        const ids = [...document.querySelectorAll("[id]")].map(element => element.id);
        const known = new Set(ids);
        const named = [...document.querySelectorAll("[aria-labelledby]")]
            .flatMap(element => element.getAttribute("aria-labelledby").split(" "));
        const linked = [...document.querySelectorAll("a[href], use")]
            .map(element => element.getAttribute("href").slice(1));
        return [ids.length - known.size, [...named, ...linked].filter(id => !known.has(id))];
    }""") == [0, []]


def test_landmarks_headings_tables_and_images_speak_to_a_screen_reader(visit: Visit) -> None:
    page = visit.page
    assert [page.locator(tag).count() for tag in ("header", "main", "footer", "nav", "h1")] == [1, 1, 1, 1, 1]
    assert page.locator("html").get_attribute("lang") == "en"
    levels = page.eval_on_selector_all("h1, h2, h3", "all => all.map(heading => Number(heading.tagName[1]))")
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    assert page.locator("table:not(:has(caption))").count() == 0
    assert page.locator("thead th:not([scope]), tbody tr:not(:has(th[scope='row']))").count() == 0
    assert page.locator(".box:not([tabindex='0'][role='region'])").count() == 0
    texts = "[...image.querySelectorAll(':scope > title, :scope > desc')].map(text => text.textContent.length > 10)"
    images = page.eval_on_selector_all("svg[role='img']", f"images => images.map(image => {texts})")
    assert images == [[True, True]] * 17
    assert page.locator("svg").count() == 17
    assert page.get_by_role("img", name="Rows and seconds of build_fact_sessions by day").count() == 1


def test_the_keyboard_reaches_everything_and_the_heat_map_is_one_stop(told: Told, browser: Browser) -> None:
    page = browser.visit(told.url, **DESKTOP).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator("#heat-map a[tabindex='0']").count() == 1
    page.locator("#heat-map a[tabindex='0']").focus()
    tip = "document.activeElement.querySelector('.tip')"
    assert page.evaluate(f"{tip}.textContent").startswith("sync_dim_tenant 2025-03-12: complete")
    for key in ("ArrowDown",) * 5 + ("ArrowLeft",):
        page.keyboard.press(key)
    assert page.evaluate(f"{tip}.textContent").startswith("build_fact_sessions 2025-03-11: failed")
    box = page.evaluate(f"{tip}.getBoundingClientRect().toJSON()")
    assert (box["left"], box["width"], box["bottom"]) == (0, 1280, 900)
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.locator("tr:target").inner_text().startswith("2025-03-12 11:00:00")


def test_without_its_script_every_cell_is_a_stop_and_the_page_is_whole(told: Told, browser: Browser) -> None:
    visit = browser.visit(told.url, java_script_enabled=False, **PHONE)
    assert visit.complaints == []
    assert visit.page.locator("#heat-map a").count() == 300
    assert visit.page.locator("#heat-map a[tabindex]").count() == 0


def test_on_a_phone_the_newest_day_is_in_view(told: Told, browser: Browser) -> None:
    visit = browser.visit(told.url, **PHONE)
    box = visit.page.locator("#heat-map tbody tr:first-child td:last-child").bounding_box()
    assert box is not None
    assert 250 < box["x"] < 360 - box["width"]


def test_printed_it_leaves_out_what_only_a_screen_needs(told: Told, browser: Browser) -> None:
    visit = browser.visit(told.url, width=720, color_scheme="dark")
    visit.page.emulate_media(media="print")
    assert not visit.page.locator("nav").is_visible()
    assert visit.page.evaluate("getComputedStyle(document.body).color") == "rgb(28, 35, 39)"
    assert visit.page.evaluate("document.documentElement.scrollWidth") == 720
    assert "#0000" not in visit.page.content()


def test_an_empty_warehouse_has_a_report_too(empty_url: str, browser: Browser, tmp_path: Path) -> None:
    for _ in range(2):
        assert told_by(empty_url, "report", "--output", str(tmp_path / "empty.html")).exit_code == 0
        visit = browser.visit((tmp_path / "empty.html").as_uri())
        assert visit.complaints == []
        assert visit.page.inner_text("h1") == "Nothing has run yet"
        assert "aivo-etl run" in visit.page.inner_text("main")
        migrate(empty_url)


def test_ninety_days_of_a_thousand_stay_small(pipeline: Pipeline) -> None:
    pipeline.warehouse.execute(
        """
        insert into etl_job_runs (job_name, run_date, target_date, status, started_at, completed_at, rows_processed)
        select
            job, day, day::date - 1, case when random() < 0.02 then 'FAILED' else 'SUCCESS' end, day, day,
            1000 * random()
        from unnest(%(jobs)s) as job
        cross join generate_series(now() - interval '999 days', now(), '1 day') as day""",
        jobs=JOBS,
    )
    done = told_by(pipeline.warehouse.url, "report", "--days=90", "--output=-")
    assert done.exit_code == 0
    assert done.output.count('class="cell ') > 900
    assert len(done.stdout.encode()) < 2_000_000


def test_a_dimension_that_waits_for_its_sync_is_bad_only_when_it_is_stale(pipeline: Pipeline) -> None:
    clock = take_over(pipeline.warehouse)
    run(pipeline.warehouse, "build_fact_sessions", YESTERDAY)
    for job in DIMENSIONS:
        run(pipeline.warehouse, job, YESTERDAY, started_at=NOON - timedelta(hours=13), run_date=YESTERDAY)
    for hours, bad in ((-11, 0), (-9, 3)):
        clock.set(NOON + timedelta(hours=hours))
        page = told_by(pipeline.warehouse.url, "report", "--output=-").stdout
        last_night = page.partition('id="jobs-now"')[2].partition("</table>")[0]
        assert last_night.count("not synced since") == 5
        assert last_night.count("state missing bad") == bad


def test_an_older_span_can_be_looked_at(told: Told) -> None:
    shown = told_by(told.warehouse.url, "report", "--days=3", "--date=2025-02-10", "--output=-").stdout
    assert "from 2025-02-08 to 2025-02-10" in shown
    assert "build_fact_sessions 2025-02-10: complete" in shown
    assert "2025-02-11: complete" not in shown


def test_a_report_that_can_not_be_written_leaves_the_last_one(pipeline: Pipeline, tmp_path: Path) -> None:
    url, file = pipeline.warehouse.url, tmp_path / "r.html"
    size = f"{len(told_by(url, 'report', '--output=-').stdout.encode()) / 1000:,.0f} kB"
    assert told_by(url, "report", "--output", str(file)).stdout == f"The report is in {file} ({size}).\n"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["r.html"]
    assert file.stat().st_mode & 0o777 == 0o666 & ~current_umask()
    for output, why in ((tmp_path, "it is a folder"), (tmp_path / "no" / "r.html", "No such file or directory")):
        failed = told_by(url, "report", "--output", str(output))
        assert failed.exit_code == 1
        assert failed.stderr == f"aivo-etl: the report can't be written to {output}: {why}\n"


def test_a_full_disk_leaves_the_last_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "r.html"
    write("the last one", str(file))

    def half(path: Path, text: str, **options: Any) -> None:
        path.write_bytes(text.encode()[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(ConfigurationError, match="No space left"):
        write("the new one", str(file))
    assert file.read_bytes() == b"the last one"
    assert list(tmp_path.iterdir()) == [file]


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_missing_library_is_told_in_one_line(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aivo_luigi.report.needs.find_spec", lambda name: None)
    done = CliRunner().invoke(main, ["report"])
    assert done.exit_code == 1
    assert done.stderr == (
        "aivo-etl: the report needs jinja2 and matplotlib: install the extra, pip install 'aivo_luigi[report]'\n"
    )


def test_serving_and_writing_exclude_each_other() -> None:
    done = CliRunner().invoke(main, ["report", "--serve", "--output", "x.html"])
    assert done.exit_code == 2


@pytest.fixture
def served(pipeline: Pipeline) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`aivo-etl report --serve`, and its port."""
    port = free_port()
    process = subprocess.Popen(
        [AIVO_ETL, "report", "--serve", "--port", str(port), "--days", "5"],
        env=environment(**pipeline.environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        # What runs in the background of a shell ignores Ctrl-C, and so do its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == f"The report is at http://127.0.0.1:{port}/ until Ctrl-C.\n"
    yield process, port
    process.kill()
    process.communicate()


def ask(port: int, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, str, Any]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


def test_served_it_shows_the_present_to_this_machine_alone(
    pipeline: Pipeline, browser: Browser, served: tuple[subprocess.Popen[str], int]
) -> None:
    process, port = served
    visit = browser.visit(f"http://127.0.0.1:{port}/")
    assert visit.complaints == []
    assert visit.page.inner_text("h1") == "Nothing has run yet"
    run(pipeline.warehouse, "build_fact_sessions", YESTERDAY, started_at=datetime.now(timezone.utc))
    visit.page.wait_for_timeout(3000)
    visit.page.reload()
    assert "build_fact_sessions" in visit.page.inner_text("main")
    assert ask(port)[2]["Cache-Control"] == "no-store"
    assert [ask(port, "/secret")[0], ask(port, method="POST")[0]] == [404, 501]
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example"):
        status, text, _ = ask(port, Host=host)
        assert (status, "build_fact" in text) == (421, False)
    assert ask(port, Host="localhost:9000")[0] == 200  # the near end of a tunnel
    taken = aivo_etl("report", "--serve", "--port", str(port), **pipeline.environment)
    assert (taken.returncode, taken.stderr.startswith(f"aivo-etl: port {port} can't be used")) == (1, True)
    with closing(socket.socket()) as elsewhere, pytest.raises(OSError, match="refused"):
        elsewhere.connect(("127.0.0.2", port))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors.strip()) == (130, "")


def test_served_it_asks_for_itself_again_unless_someone_is_reading(
    pipeline: Pipeline, browser: Browser, tmp_path: Path
) -> None:
    from aivo_luigi.report.page import make_page
    from aivo_luigi.report.queries import read_numbers

    file = tmp_path / "served.html"
    file.write_text(make_page(read_numbers(JOBS, 5, None), refresh=1), encoding="utf-8")
    visit = browser.visit(file.as_uri())
    with visit.page.expect_navigation():
        pass
    visit.page.locator(".skip").focus()
    asked = len(visit.requests)
    visit.page.wait_for_timeout(1500)
    assert len(visit.requests) == asked


def test_a_run_loads_nothing_of_the_report() -> None:
    code = "import sys; import aivo_luigi; print(sorted(sys.modules))"
    shown = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    ).stdout
    assert "'luigi'" in shown
    for heavy in ("jinja2", "matplotlib", "pandas", "numpy", "http.server"):
        assert f"'{heavy}'" not in shown
