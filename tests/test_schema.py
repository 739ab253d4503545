"""The warehouse's tables, column by column, and the migrations that make them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import psycopg2
import pytest
from support.database import Database
from support.world import CREATED, at, uid

from aivo_luigi import job_build_fact_sessions, job_sync_dim_learner, job_sync_dim_tenant
from aivo_luigi.db import forget_connections
from aivo_luigi.warehouse.migrations import migrate

SCD2 = "effective_from timestamptz, effective_to timestamptz?, is_current bool, is_inferred bool"
FACT = "date_key int, tenant_key bigint, learner_key bigint"

# A question mark: may be NULL. `number` is int or bigint, `any` whatever suits.
COLUMNS = {
    "dim_tenant": f"""
        tenant_key bigint, tenant_id uuid, tenant_name text, tenant_type text, district_id uuid?, state text?,
        country text, timezone text, is_active bool, created_at timestamptz, {SCD2}""",
    "dim_learner": f"""
        learner_key bigint, learner_id uuid, tenant_id uuid, tenant_key bigint, grade_band text, grade_level int?,
        is_active bool, created_at timestamptz, {SCD2}""",
    "dim_user": """
        user_key bigint, user_id uuid, tenant_id uuid, tenant_key bigint, role text, is_active bool,
        created_at timestamptz, is_inferred bool""",
    "dim_subject": """
        subject_key bigint, subject_code text, subject_name text, description text?, is_inferred bool""",
    "dim_skill": """
        skill_key bigint, skill_id uuid, subject_key bigint, skill_code text, skill_name text, description text?,
        grade_band text?, parent_skill_id uuid?, depth int, is_active bool, is_inferred bool""",
    "dim_date": """
        date_key int, full_date date, year number, quarter number, month number, week number, day_of_year number,
        day_of_month number, day_of_week number, day_name text, month_name text, is_weekend bool, is_school_day bool,
        academic_year text""",
    "fact_sessions": f"""
        session_key bigint, {FACT}, session_id uuid, session_type text, origin text, duration_seconds int,
        activities_assigned int, activities_completed int, activities_skipped int, correct_responses int,
        incorrect_responses int, hints_used int, focus_breaks_count int, focus_interventions_count int,
        started_at timestamptz, ended_at timestamptz?""",
    "fact_focus_events": f"""
        focus_event_key bigint, {FACT}, event_id uuid, session_id uuid, session_date_key int?, session_key bigint?,
        event_type text, event_time timestamptz, duration_seconds int?, intervention_type text?,
        intervention_completed bool?, focus_score numeric?""",
    "fact_homework_events": f"""
        homework_event_key bigint, {FACT}, submission_id uuid, session_id uuid?, session_date_key int?,
        session_key bigint?, subject text, grade_band text, step_count int, steps_completed int, hints_revealed int,
        correct_responses int, total_responses int, completion_rate numeric, submitted_at timestamptz,
        completed_at timestamptz?""",
    "fact_learning_progress": f"""
        progress_key bigint, {FACT}, subject_key bigint, total_skills int, mastered_skills int,
        in_progress_skills int, not_started_skills int, average_mastery numeric, skills_gained_today int,
        practice_minutes_today int, snapshot_at timestamptz""",
    "fact_recommendation_events": f"""
        recommendation_event_key bigint, {FACT}, recommendation_id uuid, skill_key bigint?, recommendation_type text,
        source text, was_accepted bool?, was_declined bool?, response_time_seconds int?, created_at timestamptz,
        responded_at timestamptz?""",
    "etl_job_runs": """
        id uuid, job_name text, run_date date, target_date date, status text, rows_processed number,
        rows_inserted number, rows_updated number, rows_deleted number, rows_rejected number, duration_ms number,
        error_message text?, started_at timestamptz, completed_at timestamptz?, force_token text?""",
    "etl_rejected_rows": """
        run_id uuid, job_name text, target_date date, source_table text, source_id any?, field text?, reason text,
        payload jsonb, rejected_at timestamptz""",
}

FACT_KEYS = {
    "fact_sessions": ("session_key", ["session_id"]),
    "fact_focus_events": ("focus_event_key", ["event_id"]),
    "fact_homework_events": ("homework_event_key", ["submission_id"]),
    "fact_learning_progress": ("progress_key", ["learner_key", "subject_key"]),
    "fact_recommendation_events": ("recommendation_event_key", ["recommendation_id"]),
}

DIMENSION_KEYS = {
    "dim_tenant": "tenant_key",
    "dim_learner": "learner_key",
    "dim_user": "user_key",
    "dim_subject": "subject_key",
    "dim_skill": "skill_key",
}

TYPES = {
    "boolean": "bool",
    "integer": "int",
    "character varying": "text",
    "timestamp with time zone": "timestamptz",
}

# Every table that the migrations make, beside those in which they keep count of themselves.
TABLES = """
    select relname from pg_class
    where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p') and not relispartition
        and relname not like '%yoyo%'
    order by relname"""


@pytest.fixture(scope="module")
def warehouse(databases):
    """A migrated warehouse that all these tests look at, and none writes into."""
    url = databases.create()
    migrate(url)
    database = Database(url)
    yield database
    database.close()
    forget_connections()
    databases.drop(url)


@pytest.mark.parametrize("table", COLUMNS)
def test_a_table_has_the_columns_that_were_promised(warehouse, table):
    found = {
        row["column_name"]: (TYPES.get(row["data_type"], row["data_type"]), row["is_nullable"] == "YES")
        for row in warehouse.rows(
            "select column_name, data_type, is_nullable from information_schema.columns where table_name = %(table)s",
            table=table,
        )
    }
    promised = {}
    for column in COLUMNS[table].split(","):
        name, kind = column.split()
        nullable = kind.endswith("?")
        kind = kind.rstrip("?")
        actual = found.get(name, ("missing", None))[0]
        if kind == "any" or (kind == "number" and actual in ("int", "bigint", "smallint")):
            kind = actual
        promised[name] = (kind, nullable)
    assert {name: found.get(name) for name in promised} == promised


@pytest.mark.parametrize("table", [*DIMENSION_KEYS, "dim_date", *FACT_KEYS])
def test_a_dimension_or_fact_has_no_columns_beyond_the_promised(warehouse, table):
    found = warehouse.column(
        "select column_name from information_schema.columns where table_name = %(table)s", table=table
    )
    assert set(found) - {column.split()[0] for column in COLUMNS[table].split(",")} - {"is_exact"} == set()


@pytest.mark.parametrize("table", COLUMNS)
def test_what_is_inferred_is_false_unless_said(warehouse, table):
    found = warehouse.column(
        "select column_default from information_schema.columns "
        "where table_name = %(table)s and column_name = 'is_inferred'",
        table=table,
    )
    assert found in ([], ["false"])


@pytest.mark.parametrize(
    ("table", "key"), [*DIMENSION_KEYS.items(), *((table, keys[0]) for table, keys in FACT_KEYS.items())]
)
def test_surrogate_keys_come_from_a_sequence(warehouse, table, key):
    column = warehouse.row(
        "select is_identity, column_default from information_schema.columns "
        "where table_name = %(table)s and column_name = %(key)s",
        table=table,
        key=key,
    )
    assert column["is_identity"] == "YES" or str(column["column_default"]).startswith("nextval")


def indexes(warehouse, table: str) -> dict[str, list[tuple[str, ...]]]:
    """The columns of the indexes of a table: its primary key, the unique ones, and all."""
    found: dict[str, list[tuple[str, ...]]] = {"primary": [], "unique": [], "all": []}
    for row in warehouse.rows(
        """
        select
            i.indisprimary, i.indisunique and i.indpred is null as is_unique,
            array(
                select a.attname::text from unnest(i.indkey::smallint[]) with ordinality as k (attnum, position)
                inner join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
                where k.position <= i.indnkeyatts
                order by k.position
            ) as columns
        from pg_index as i where i.indrelid = %(table)s::regclass""",
        table=table,
    ):
        columns = tuple(row["columns"])
        found["all"].append(columns)
        if row["is_unique"]:
            found["unique"].append(columns)
        if row["indisprimary"]:
            found["primary"].append(columns)
    return found


@pytest.mark.parametrize("table", FACT_KEYS)
def test_a_fact_has_its_keys_and_indexes(warehouse, table):
    key, business = FACT_KEYS[table]
    found = indexes(warehouse, table)
    assert found["primary"] == [("date_key", key)]
    assert ("date_key", *business) in found["unique"]
    assert ("tenant_key", "date_key") in found["all"]
    assert ("learner_key", "date_key") in found["all"]


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("dim_user", ("user_id",)),
        ("dim_subject", ("subject_code",)),
        ("dim_skill", ("skill_id",)),
        ("dim_date", ("date_key",)),
        *((table, (key,)) for table, key in DIMENSION_KEYS.items()),
    ],
)
def test_a_dimension_has_its_unique_keys(warehouse, table, columns):
    assert columns in indexes(warehouse, table)["unique"]


@pytest.mark.parametrize("table", FACT_KEYS)
def test_a_fact_is_partitioned_by_ranges_of_days(warehouse, table):
    assert warehouse.row(
        "select p.partstrat::text, a.attname::text from pg_partitioned_table as p "
        "inner join pg_attribute as a on a.attrelid = p.partrelid and a.attnum = any(p.partattrs::smallint[]) "
        "where p.partrelid = %(table)s::regclass",
        table=table,
    ) == {"partstrat": "r", "attname": "date_key"}


@pytest.mark.parametrize(
    ("day", "bounds"),
    [
        (date(2025, 1, 15), "FOR VALUES FROM (20250101) TO (20250201)"),
        (date(2024, 12, 31), "FOR VALUES FROM (20241201) TO (20250101)"),
    ],
)
def test_a_day_makes_the_partition_of_its_month(pipeline, world, day, bounds):
    world.session(started_at=at(f"{day} 10:00"))
    job_build_fact_sessions(day)
    assert pipeline.warehouse.column(
        "select pg_get_expr(c.relpartbound, c.oid) from fact_sessions as f "
        "inner join pg_class as c on c.oid = f.tableoid"
    ) == [bounds]


def test_no_fact_refers_to_another_fact(warehouse):
    assert (
        warehouse.rows(
            "select conrelid::regclass::text, confrelid::regclass::text from pg_constraint "
            "where contype = 'f' and confrelid::regclass::text like 'fact%'"
        )
        == []
    )


@pytest.mark.parametrize(
    ("table", "column", "refers_to"),
    [
        ("dim_learner", "tenant_key", "dim_tenant"),
        ("dim_user", "tenant_key", "dim_tenant"),
        ("dim_skill", "subject_key", "dim_subject"),
    ],
)
def test_a_dimension_refers_to_the_one_above_it(warehouse, table, column, refers_to):
    assert warehouse.column(
        "select c.confrelid::regclass::text from pg_constraint as c "
        "inner join pg_attribute as a on a.attrelid = c.conrelid and a.attnum = c.conkey[1] "
        "where c.contype = 'f' and c.conrelid = %(table)s::regclass and a.attname = %(column)s",
        table=table,
        column=column,
    ) == [refers_to]


def test_an_id_can_not_have_two_current_versions(pipeline, world):
    world.tenant()
    world.learner()
    job_sync_dim_tenant(date(2025, 1, 15))
    job_sync_dim_learner(date(2025, 1, 15))
    for table, key in (("dim_tenant", "tenant_key"), ("dim_learner", "learner_key")):
        row = pipeline.warehouse.row(f"select * from {table}")
        del row[key]
        pipeline.warehouse.insert(table, **row | {"is_current": False, "effective_to": CREATED})
        with pytest.raises(psycopg2.errors.UniqueViolation):
            pipeline.warehouse.insert(table, **row)


def test_every_table_has_a_comment(warehouse):
    assert set(COLUMNS) <= set(warehouse.column(TABLES))
    assert (
        warehouse.column(f"select relname from ({TABLES}) as t where obj_description(relname::regclass) is null") == []
    )


def test_every_column_has_a_comment(warehouse):
    assert (
        warehouse.rows(
            f"select t.relname, a.attname from ({TABLES}) as t "
            "inner join pg_attribute as a on a.attrelid = t.relname::regclass and a.attnum > 0 and not a.attisdropped "
            "where col_description(a.attrelid, a.attnum) is null"
        )
        == []
    )


# The calendar


def test_the_calendar_says_what_each_day_is(pipeline, world):
    world.session()
    job_build_fact_sessions(date(2025, 1, 15))
    assert pipeline.warehouse.row("select * from dim_date where date_key = 20250115") == {
        "date_key": 20250115,
        "full_date": date(2025, 1, 15),
        "year": 2025,
        "quarter": 1,
        "month": 1,
        "week": 3,
        "day_of_year": 15,
        "day_of_month": 15,
        "day_of_week": 3,
        "day_name": "Wednesday",
        "month_name": "January",
        "is_weekend": False,
        "is_school_day": True,
        "academic_year": "2024-2025",
    }


def test_every_day_of_the_calendar_is_right(pipeline, world):
    for day in (date(2024, 2, 29), date(2024, 12, 30), date(2025, 7, 31), date(2025, 8, 1), date(2025, 9, 7)):
        world.session(str(day), started_at=at(f"{day} 10:00"))
        job_build_fact_sessions(day)
    rows = pipeline.warehouse.rows("select * from dim_date")
    assert {20240229, 20241230, 20250731, 20250801, 20250907} <= {row["date_key"] for row in rows}
    for row in rows:
        day = row["full_date"]
        first_year = day.year if day.month >= 8 else day.year - 1
        is_school_day = row.pop("is_school_day")
        assert not (is_school_day and day.isoweekday() > 5)
        assert row == {
            "date_key": day.year * 10000 + day.month * 100 + day.day,
            "full_date": day,
            "year": day.year,
            "quarter": (day.month + 2) // 3,
            "month": day.month,
            "week": day.isocalendar().week,
            "day_of_year": day.timetuple().tm_yday,
            "day_of_month": day.day,
            "day_of_week": day.isoweekday() % 7,
            "day_name": day.strftime("%A"),
            "month_name": day.strftime("%B"),
            "is_weekend": day.isoweekday() > 5,
            "academic_year": f"{first_year}-{first_year + 1}",
        }


# Migrations


def test_migrating_again_changes_nothing(pipeline, world):
    world.tenant()
    job_sync_dim_tenant(date(2025, 1, 15))
    before = pipeline.warehouse.column(TABLES)
    migrate(pipeline.warehouse.url)
    assert pipeline.warehouse.column(TABLES) == before
    assert pipeline.warehouse.column("select tenant_id from dim_tenant") == [uid("school")]


def test_two_migrations_at_once_make_one_schema(empty_url):
    with ThreadPoolExecutor() as threads:
        for done in [threads.submit(migrate, empty_url) for _ in range(2)]:
            done.result()
    database = Database(empty_url)
    assert set(COLUMNS) <= set(database.column(TABLES))
    database.close()


def test_the_first_run_migrates_an_empty_warehouse(pipeline, world, empty_url, monkeypatch):
    world.tenant()
    monkeypatch.setenv("WAREHOUSE_DATABASE_URL", empty_url)
    assert job_sync_dim_tenant(date(2025, 1, 15)).status == "SUCCESS"
    database = Database(empty_url)
    assert database.column("select tenant_id from dim_tenant") == [uid("school")]
    database.close()
