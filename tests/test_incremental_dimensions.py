"""Dimensions whose source has an index on updated_at: a sync reads what changed, and misses nothing that it may not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg2
import pytest
from psycopg2 import sql
from support.clock import Clock, take_over
from support.database import Database
from support.databases import Databases
from support.members import written
from support.pipeline import Pipeline
from support.prepared import prepared as copies_of
from support.world import CREATED, World, at, uid

import aivo_luigi
from aivo_luigi import JobResult, sqlfiles
from aivo_luigi.jobs.compare import compare
from aivo_luigi.tasks.wrappers import DIMENSIONS

DAY = at("2025-01-14 00:00").date()
NUMBER = 30
LONG_AGO = CREATED


@dataclass(frozen=True)
class Kind:
    """A source table, its dimension, a column that may change, and how the dimension tells who is present."""

    table: str
    what: str
    column: str
    held: str
    present: str
    new: Any

    @property
    def dimension(self) -> str:
        return f"dim_{self.what}"


TENANTS = Kind("tenants", "tenant", "name", "tenant_name", "is_current", "Elm")
LEARNERS = Kind("learners", "learner", "grade_level", "grade_level", "is_current", 4)
USERS = Kind("users", "user", "role", "role", "is_active", "SUPPORT")
SKILLS = Kind("skills", "skill", "name", "skill_name", "is_active", "new")
KINDS = [TENANTS, LEARNERS, USERS, SKILLS]


class Members:
    """Thirty members of one kind, m0, m1, …, that last changed long ago, and a clock."""

    def __init__(self, kind: Kind, pipeline: Pipeline, world: World, clock: Clock) -> None:
        self.kind, self.pipeline, self.world, self.clock = kind, pipeline, world, clock
        self.source, self.warehouse = pipeline.source, pipeline.warehouse

    def begin(self) -> None:
        """The tenants are known at nine."""
        self.clock.set(at("2025-01-15 09:00"))
        if self.kind in (LEARNERS, USERS):
            assert aivo_luigi.job_sync_dim_tenant(DAY).status == "SUCCESS"

    def add(self, name: str, **columns: Any) -> UUID:
        build: Callable[..., UUID] = getattr(self.world, self.kind.what)
        return build(name, **columns)

    def change(self, name: str, updated_at: Any, **columns: Any) -> None:
        """Changes a member: its column to the new value, if no other is said, as if at a time."""
        given = columns or {self.kind.column: self.kind.new}
        self.source.update(self.kind.table, uid(name), **given, updated_at=updated_at)

    def remove(self, name: str) -> None:
        self.source.delete(self.kind.table, uid(name))

    def try_at(self, text: str) -> JobResult:
        """What a sync says at a moment."""
        self.clock.set(at(text))
        result: JobResult = getattr(aivo_luigi, f"job_sync_{self.kind.dimension}")(DAY, force=True)
        return result

    def sync_at(self, text: str) -> JobResult:
        result = self.try_at(text)
        assert result.status == "SUCCESS", result.error_message
        return result

    def read_at(self, text: str) -> int:
        """How many rows a sync reads at a moment."""
        return self.sync_at(text).rows_processed

    def value(self, name: str) -> Any:
        """What the dimension holds of a member now; None where it is not there, or not any more."""
        found = self.warehouse.column(
            f"select {self.kind.held} from {self.kind.dimension}"
            f" where {self.kind.what}_id = %(id)s and {self.kind.present}",
            id=uid(name),
        )
        assert len(found) <= 1
        return found[0] if found else None

    def written(self) -> list[dict[str, Any]]:
        return written(self.pipeline, self.kind.dimension)

    def watermark(self) -> tuple[datetime, datetime]:
        """When the table was read last, and when as a whole."""
        row = self.warehouse.row(
            "select read_at, reconciled_at from etl_watermarks where source_table = %(table)s", table=self.kind.table
        )
        return row["read_at"], row["reconciled_at"]

    def index(self, definition: str = "{table} (updated_at)") -> None:
        index(self.source, self.kind, definition)


@pytest.fixture
def clock(pipeline: Pipeline) -> Clock:
    return take_over(pipeline.source, pipeline.warehouse)


def arrive(kind: Kind, world: World) -> None:
    """The members in the source, and the tenant of those that have one."""
    if kind in (LEARNERS, USERS):
        world.tenant()
    build: Callable[..., UUID] = getattr(world, kind.what)
    for number in range(NUMBER):
        build(f"m{number}")


def index(source: Database, kind: Kind, definition: str = "{table} (updated_at)") -> None:
    source.execute(f"create index changed on {definition.format(table=kind.table)}")


def prepared(kind: Kind, pipeline: Pipeline, world: World, clock: Clock) -> Members:
    arrive(kind, world)
    members = Members(kind, pipeline, world, clock)
    members.begin()
    return members


Copies = Callable[[Kind, bool], Members]


@pytest.fixture
def copies(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Copies]:
    """`copies(kind, read)`: its members, unread; or read as a whole at ten, from a source with an index."""

    def copy(kind: Kind, read: bool) -> Iterator[Members]:
        def fill(source: Database) -> None:
            arrive(kind, World(source))
            if read:
                index(source, kind)

        def build(source: Database, warehouse: Database) -> None:
            members = Members(kind, Pipeline(source, warehouse, tmp_path), World(source), take_over(source, warehouse))
            members.begin()
            if read:
                assert members.read_at("10:00") == NUMBER

        name = f"{'read' if read else 'unread'}_{kind.table}"
        for pipeline in copies_of(databases, name, tmp_path, monkeypatch, fill, build):
            clock = take_over(pipeline.source, pipeline.warehouse)
            clock.set(at("10:00" if read else "09:00"))
            yield Members(kind, pipeline, World(pipeline.source), clock)

    with ExitStack() as stack:
        yield lambda kind, read: stack.enter_context(contextmanager(copy)(kind, read))


@pytest.fixture(scope="module", autouse=True)
def templates(databases: Databases) -> Iterator[None]:
    """Those of `copies`: nobody else wants them."""
    yield
    for kind, read, what in product(KINDS, ("read", "unread"), ("source", "warehouse")):
        databases.drop_template(f"{read}_{kind.table}_{what}")


@pytest.fixture(params=KINDS, ids=lambda kind: kind.table)
def unread(request: pytest.FixtureRequest, copies: Copies) -> Members:
    return copies(request.param, False)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.table)
def members(request: pytest.FixtureRequest, copies: Copies) -> Members:
    """Read as a whole at ten, from a source with an index."""
    return copies(request.param, True)


@pytest.fixture
def learners(copies: Copies) -> Members:
    """The same, learners alone."""
    return copies(LEARNERS, True)


# What is read


def test_only_what_changed_is_read(members: Members) -> None:
    members.change("m1", at("10:30"))
    members.change("m2", at("10:40"))
    result = members.sync_at("11:00")
    assert (result.rows_processed, result.rows_inserted, result.rows_updated, result.rows_deleted) == (2, 0, 2, 0)
    assert [members.value(name) for name in ("m1", "m2")] == [members.kind.new] * 2
    assert members.watermark() == (at("11:00"), at("10:00"))


def test_where_nothing_changed_nothing_is_read_and_nothing_is_written(members: Members) -> None:
    before = members.written()
    assert members.read_at("11:00") == 0
    assert members.read_at("12:00") == 0
    assert members.written() == before


def test_a_new_member_and_one_that_comes_back_are_among_what_changed(members: Members) -> None:
    members.change("m1", at("10:10"), deleted_at=at("10:10"))
    assert members.sync_at("10:15").rows_deleted == 1
    members.change("m1", at("10:20"), deleted_at=None)
    members.add("newcomer", updated_at=at("10:30"))
    result = members.sync_at("11:00")
    assert (result.rows_processed, result.rows_inserted, result.rows_updated) == (2, 1, 1)


def test_a_change_in_the_moment_of_the_last_read_is_found(members: Members, etl_option: Any) -> None:
    """Even without any overlap: rows may carry the very time of the watermark."""
    etl_option("late_commit_hours", "0")
    members.change("m1", at("10:00"))
    assert members.read_at("11:00") == 1
    assert members.value("m1") == members.kind.new


def test_a_change_committed_late_is_found_within_the_hours_that_it_may_take(members: Members, etl_option: Any) -> None:
    etl_option("late_commit_hours", "5")
    members.change("m1", at("05:00"))
    members.change("m2", at("04:59:59"))
    assert members.read_at("11:00") == 1
    assert members.value("m1") == members.kind.new
    assert members.value("m2") != members.kind.new, "too late: this one waits until all are read"
    assert members.read_at("2025-01-16 10:00") == NUMBER
    assert members.value("m2") == members.kind.new


def test_a_row_that_does_not_say_when_it_changed_is_read_each_time(members: Members) -> None:
    times = {"m1": None, "m2": "infinity", "m3": "-infinity", "m4": at("2999-01-01 00:00")}
    for name, updated_at in times.items():
        members.change(name, updated_at)
    assert members.read_at("11:00") == len(times)
    assert {name: members.value(name) for name in times} == dict.fromkeys(times, members.kind.new)
    before = members.written()
    assert members.read_at("2025-01-16 09:00") == len(times)
    assert members.written() == before


def test_the_source_looks_the_changed_rows_up_by_its_index(learners: Members) -> None:
    learners.source.execute(
        "insert into learners (id, tenant_id, created_at, updated_at) select gen_random_uuid(), %(tenant)s,"
        " '2024-09-01', '2024-09-01' from generate_series(1, 20000)",
        tenant=uid("school"),
    )
    learners.source.execute("analyze learners")
    connection = psycopg2.connect(learners.source.url)
    extract = sqlfiles.read("jobs/sync_dim_learner/extract.sql")
    plans = {}
    for since in ("2025-01-14T10:00:00+00:00", "-infinity"):
        cursor = connection.cursor()
        cursor.execute("explain " + sqlfiles.render(extract, connection, changed_since=since))
        plans[since] = "\n".join(row[0] for row in cursor.fetchall())
    connection.close()
    assert "Seq Scan" not in plans["2025-01-14T10:00:00+00:00"]
    assert plans["-infinity"].splitlines()[0].startswith("Seq Scan")
    assert "Filter" not in plans["-infinity"]


def test_the_source_counts_its_learners_in_the_recommended_index(learners: Members) -> None:
    learners.source.execute(sqlfiles.read("source/recommended_indexes.sql"))
    learners.source.execute(
        "insert into learners (id, tenant_id, created_at, updated_at) select gen_random_uuid(), %(tenant)s,"
        " '2024-09-01', '2024-09-01' from generate_series(1, 20000)",
        tenant=uid("school"),
    )
    learners.source.execute("vacuum analyze learners")
    connection = psycopg2.connect(learners.source.url)
    extract = sqlfiles.render(sqlfiles.read("jobs/sync_dim_learner/extract.sql"), connection, changed_since="-infinity")
    count = sqlfiles.render(
        sqlfiles.read("source/present_rows.sql"),
        connection,
        extract=sql.SQL(extract),
        present=sql.SQL(aivo_luigi.SyncDimLearner.present.staged),
    )
    cursor = connection.cursor()
    cursor.execute("explain " + count)
    plan = "\n".join(row[0] for row in cursor.fetchall())
    connection.close()
    assert "Index Only Scan using learners_not_deleted" in plan


# What the number of rows tells


def test_a_member_that_is_gone_is_missed(members: Members) -> None:
    members.remove("m1")
    result = members.sync_at("11:00")
    assert (result.rows_processed, result.rows_deleted) == (NUMBER - 1, 1)
    assert members.value("m1") is None
    assert members.watermark() == (at("11:00"), at("11:00")), "everything was read"
    assert members.read_at("12:00") == 0


def test_a_deletion_under_an_old_time_is_noticed(members: Members) -> None:
    members.change("m1", LONG_AGO, deleted_at=at("10:30"))
    assert members.sync_at("11:00").rows_deleted == 1
    assert members.value("m1") is None


def test_a_member_deleted_at_an_infinite_time_lives_however_it_is_read(members: Members) -> None:
    times = ("infinity", "-infinity")
    for deleted_at in times:
        members.add(f"newcomer {deleted_at}", updated_at=at("10:30"), deleted_at=deleted_at)
        members.change(f"m{times.index(deleted_at)}", at("10:30"), deleted_at=deleted_at)
        members.change(f"m{2 + times.index(deleted_at)}", LONG_AGO, deleted_at=deleted_at)
    changed = [f"m{number}" for number in range(4)]
    before = [members.value(name) for name in changed]
    result = members.sync_at("11:00")
    assert (result.rows_processed, result.rows_inserted, result.rows_updated, result.rows_deleted) == (4, 2, 0, 0)
    assert members.watermark() == (at("11:00"), at("10:00")), "both sides count them as present"
    assert members.read_at("2025-01-16 11:00") == NUMBER + 2
    assert [members.value(name) for name in changed] == before
    assert None not in [members.value(f"newcomer {deleted_at}") for deleted_at in times]
    [job] = [job for job in DIMENSIONS if job.job_name() == f"sync_{members.kind.dimension}"]
    assert not compare(job.spec(), DAY)


def test_a_return_under_an_old_time_is_noticed(members: Members) -> None:
    members.change("m1", at("10:10"), deleted_at=at("10:10"))
    members.sync_at("2025-01-15 10:20")
    members.change("m1", LONG_AGO, deleted_at=None)
    assert members.sync_at("11:00").rows_updated == 1
    assert members.value("m1") is not None


def test_a_new_row_under_an_old_time_is_noticed(members: Members) -> None:
    members.add("m30", updated_at=LONG_AGO)
    assert members.sync_at("11:00").rows_inserted == 1
    assert members.value("m30") is not None


def test_changes_and_missing_rows_are_told_apart(members: Members) -> None:
    """As many rows as before, one of them changed; and one that is gone while another came and says so."""
    members.change("m1", at("10:30"))
    members.remove("m2")
    members.add("m30", updated_at=at("10:40"))
    result = members.sync_at("11:00")
    counts = result.rows_processed, result.rows_inserted, result.rows_updated, result.rows_deleted
    assert counts == (NUMBER, 1, 1, 1)


def test_a_user_who_was_inactive_and_is_gone_makes_no_difference(
    pipeline: Pipeline, world: World, clock: Clock
) -> None:
    """Gone is inactive: nothing would be written."""
    users = prepared(USERS, pipeline, world, clock)
    users.index()
    users.change("m1", LONG_AGO, is_active=False)
    users.change("m2", LONG_AGO, is_active=None)
    users.sync_at("10:00")
    assert users.read_at("10:30") == 0
    users.remove("m1")
    assert users.read_at("11:00") == 0
    users.remove("m2")
    assert users.sync_at("12:00").rows_deleted == 1


def test_an_inferred_member_is_completed_whatever_time_its_row_says(learners: Members) -> None:
    learners.world.session(learner="late", started_at=at("2025-01-14 10:00"))
    assert aivo_luigi.job_build_fact_sessions(DAY).status == "SUCCESS"
    assert learners.read_at("11:00") == 0
    learners.add("late", updated_at=LONG_AGO)
    assert learners.sync_at("12:00").rows_updated == 1
    assert learners.warehouse.value("select count(*) from dim_learner where is_inferred") == 0


# What only a whole read finds


def test_a_change_under_an_old_time_is_found_when_all_are_read(members: Members) -> None:
    members.change("m1", LONG_AGO)
    members.remove("m2")
    members.add("m30", updated_at=LONG_AGO)
    for text in ("11:00", "2025-01-16 09:59:59"):
        assert members.read_at(text) == 0
    assert members.value("m1") != members.kind.new
    result = members.sync_at("2025-01-16 10:00")
    assert (result.rows_inserted, result.rows_updated, result.rows_deleted) == (1, 1, 1)
    assert members.value("m1") == members.kind.new
    assert members.read_at("2025-01-17 09:00") == 0, "the next 24 hours are counted from here"


def test_without_hours_to_reconcile_all_are_read_each_time(members: Members, etl_option: Any) -> None:
    etl_option("reconcile_hours", "0")
    assert members.read_at("11:00") == NUMBER
    members.change("m1", LONG_AGO)
    assert members.read_at("12:00") == NUMBER
    assert members.value("m1") == members.kind.new


NOT_SERVING = [
    "{table} (updated_at) where deleted_at is null",
    "{table} (id, updated_at)",
    "{table} (created_at)",
    "{table} using hash (updated_at)",
    "{table} ((updated_at at time zone 'UTC'))",
]


def test_without_an_index_that_serves_all_are_read_as_ever(unread: Members) -> None:
    """None at all, then each that does not serve: no read leaves a watermark from which the next could go on."""

    def reads_all(text: str, definition: str) -> None:
        assert unread.read_at(text) == NUMBER, definition
        assert unread.warehouse.value("select count(*) from etl_watermarks") == 0, definition

    for text in ("10:00", "11:00"):
        reads_all(text, "no index")
    for hour, definition in enumerate(NOT_SERVING, 12):
        unread.index(definition)
        reads_all(f"{hour}:00", definition)
        unread.source.execute("drop index changed")


def test_an_index_that_is_not_valid_does_not_serve(unread: Members) -> None:
    unread.index()
    unread.source.execute("update pg_index set indisvalid = false where indexrelid = 'changed'::regclass")
    assert [unread.read_at(text) for text in ("10:00", "11:00")] == [NUMBER, NUMBER]


@pytest.mark.parametrize(
    "definition", ["{table} (updated_at desc, id)", "{table} (updated_at nulls first) include (id)"]
)
def test_an_index_that_goes_on_serves_as_well(unread: Members, definition: str) -> None:
    unread.index(definition)
    assert [unread.read_at(text) for text in ("10:00", "11:00")] == [NUMBER, 0]


def test_an_index_serves_a_source_that_quotes_all_names(unread: Members) -> None:
    unread.index()
    unread.source.execute(
        "do $$ begin execute format('alter database %I set quote_all_identifiers = on', current_database()); end $$"
    )
    assert [unread.read_at(text) for text in ("10:00", "11:00")] == [NUMBER, 0]


def test_an_index_made_later_serves_from_the_first_whole_read_on(unread: Members) -> None:
    unread.sync_at("10:00")
    unread.index()
    assert [unread.read_at(text) for text in ("11:00", "12:00")] == [NUMBER, 0]


def test_a_source_whose_clock_has_gone_back_is_read_as_a_whole(members: Members) -> None:
    assert members.read_at("2025-01-15 09:00") == NUMBER


def test_times_without_a_zone_serve_as_well(unread: Members) -> None:
    unread.source.execute(
        f"alter table {unread.kind.table} alter updated_at type timestamp using updated_at at time zone 'UTC'"
    )
    unread.index()
    unread.sync_at("10:00")
    unread.change("m1", "2025-01-15 10:30")
    unread.change("m2", "infinity")
    unread.change("m3", "-infinity")
    assert unread.read_at("11:00") == 3


def test_comparing_reads_everything_and_leaves_the_watermark(members: Members) -> None:
    members.change("m1", LONG_AGO)
    before = members.watermark()
    members.clock.set(at("11:00"))
    job = next(job for job in DIMENSIONS if job.job_name() == f"sync_{members.kind.dimension}")
    assert compare(job.spec(), DAY).altered == 1
    assert members.watermark() == before


# The guard


@pytest.mark.parametrize("left", [0, 1, 8])
def test_a_source_that_is_empty_or_half_restored_changes_nothing(members: Members, left: int) -> None:
    before, watermark = members.written(), members.watermark()
    gone = [uid(f"m{number}") for number in range(left, NUMBER)]
    members.source.execute(f"delete from {members.kind.table} where id = any(%(ids)s::uuid[])", ids=gone)
    result = members.try_at("11:00")
    assert result.status == "FAILED"
    assert f"would close {NUMBER - left} of {NUMBER} current members" in (result.error_message or "")
    assert (members.written(), members.watermark()) == (before, watermark)
    for number in range(left, NUMBER):
        members.add(f"m{number}")
    assert members.read_at("12:00") == 0


@pytest.mark.parametrize(("deleted", "may"), [(20, True), (21, False)])
def test_deletions_among_what_changed_are_guarded_by_all_members(members: Members, deleted: int, may: bool) -> None:
    for number in range(deleted):
        members.change(f"m{number}", at("10:30"), deleted_at=at("10:30"))
    result = members.try_at("11:00")
    assert result.status == ("SUCCESS" if may else "FAILED")
    assert may or f"would close {deleted} of {NUMBER} current members" in (result.error_message or "")


def test_a_sync_that_fails_leaves_the_watermark_where_it_was(members: Members) -> None:
    before = members.watermark()
    members.change("m1", at("10:30"))
    dimension = members.kind.dimension
    members.warehouse.execute(
        f"alter table {dimension} add constraint never check ({members.kind.held}::text <> '{members.kind.new}')"
    )
    assert members.try_at("11:00").status == "FAILED"
    assert members.watermark() == before
    members.warehouse.execute(f"alter table {dimension} drop constraint never")
    assert members.read_at("2025-01-16 09:00") == 1


# What goes with it


@pytest.mark.parametrize("kind", [LEARNERS, USERS], ids=lambda kind: kind.table)
def test_a_new_version_of_a_tenant_moves_members_that_were_not_read(
    pipeline: Pipeline, world: World, clock: Clock, kind: Kind
) -> None:
    members = prepared(kind, pipeline, world, clock)
    world.tenant("elsewhere")
    members.add("another", tenant="elsewhere")
    members.index()
    assert aivo_luigi.job_sync_dim_tenant(DAY, force=True).status == "SUCCESS"
    members.sync_at("10:00")
    pipeline.source.update("tenants", uid("school"), name="Elm", updated_at=at("10:30"))
    clock.set(at("11:00"))
    assert aivo_luigi.job_sync_dim_tenant(DAY, force=True).status == "SUCCESS"
    assert members.read_at("11:10") == 0
    assert pipeline.warehouse.rows(
        "select tenant_name, dim_tenant.is_current, count(*)"
        f" from {kind.dimension} inner join dim_tenant using (tenant_key) group by 1, 2 order by 1"
    ) == [
        {"tenant_name": "Elm", "is_current": True, "count": NUMBER},
        {"tenant_name": "elsewhere", "is_current": True, "count": 1},
    ]


def rejects(learners: Members) -> list[tuple[UUID, str, datetime]]:
    rows = learners.warehouse.rows(
        "select source_id, field, started_at from etl_rejected_rows"
        " inner join etl_job_runs on run_id = id order by 1, 2"
    )
    return [(UUID(row["source_id"]), row["field"], row["started_at"]) for row in rows]


def test_what_was_rejected_stands_until_its_row_is_read_again(learners: Members) -> None:
    one, other = sorted([uid("odd"), uid("even")])
    for name in ("odd", "even"):
        learners.add(name, created_at="infinity", updated_at=LONG_AGO)
    assert learners.sync_at("11:00").rows_rejected == 2
    expected = [(one, "created_at", at("11:00")), (other, "created_at", at("11:00"))]
    assert rejects(learners) == expected
    assert learners.sync_at("12:00").rows_rejected == 0
    assert rejects(learners) == expected
    learners.source.update("learners", one, created_at=CREATED, updated_at=at("12:30"))
    learners.sync_at("13:00")
    assert rejects(learners) == expected[1:]
    learners.source.update("learners", other, updated_at="infinity")
    learners.sync_at("14:00")
    assert rejects(learners) == [(other, "created_at", at("14:00")), (other, "updated_at", at("14:00"))]
    learners.source.update("learners", other, created_at=CREATED, updated_at=LONG_AGO)
    learners.sync_at("2025-01-16 11:00")
    assert rejects(learners) == [], "all were read"


@pytest.mark.parametrize("deleted_at", [None, at("10:20")])
def test_a_row_that_can_not_be_loaded_is_told_as_if_all_were_read(
    learners: Members, etl_option: Any, deleted_at: Any
) -> None:
    learners.source.execute("alter table learners alter tenant_id drop not null")
    learners.change("m1", at("10:30"), tenant_id=None, deleted_at=deleted_at)
    before = learners.written()
    result = learners.sync_at("11:00")
    assert (result.rows_processed, result.rows_rejected) == (NUMBER, 1)
    assert learners.written() == before, "it can't be loaded, and so is not gone"
    for number in range(2, 4):
        learners.change(f"m{number}", at("11:30"), tenant_id=None)
    assert learners.try_at("12:00").status == "FAILED", "more than a twentieth of all"
