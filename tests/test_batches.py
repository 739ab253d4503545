"""Two processes on one range, a batch of days in one of them: whoever is handed the day that failed, the truth is told.

Luigi's own scheduler and workers, in one process, so that the order of their steps is the test's.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from luigi.execution_summary import _summary_dict
from luigi.scheduler import Scheduler
from luigi.worker import Worker
from support.pipeline import Pipeline
from support.world import World, at

from aivo_luigi import BuildFactSessions, SyncDimensions

DAYS = [date(2025, 1, 15) + timedelta(days=number) for number in range(3)]
BROKEN = DAYS[-1]  # the newest, which is handed out first

BREAK = f"""
create sequence tries;
create function broken_day() returns trigger language plpgsql as $$
begin
    if new.date_key = {BROKEN:%Y%m%d} and nextval('tries') <= %(times)s then
        raise exception 'this day is broken';
    end if;
    return new;
end $$;
create trigger broken_day before insert on fact_sessions for each row execute function broken_day();
"""


def run_until_a_day_has_failed(worker: Any) -> None:
    """Steps of Worker.run: the batch is done, its days are pending again, and nobody has asked for work since."""
    while not any(getattr(task, "failure", "") for task in worker._scheduled_tasks.values()):
        task_id = worker._get_work().task_id
        worker._run_task(task_id)
        worker._handle_next_task()


def attempts(pipeline: Pipeline) -> list[str]:
    return pipeline.warehouse.column(
        "select status from etl_job_runs"
        " where job_name = 'build_fact_sessions' and target_date = %(day)s order by started_at",
        day=BROKEN,
    )


@pytest.mark.parametrize(
    ("other_first", "times", "expected"),
    [
        (True, 1, ["FAILED", "SUCCESS"]),
        (True, 99, ["FAILED", "FAILED"]),
        (False, 99, ["FAILED"]),
    ],
    ids=["the other one tries again and succeeds", "the other one tries again in vain", "its own process tells of it"],
)
def test_a_day_that_failed_in_a_batch_is_told_by_whoever_is_handed_it(
    pipeline: Pipeline, world: World, other_first: bool, times: int, expected: list[str]
) -> None:
    world.tenant()
    world.learner()
    for day in DAYS:
        world.session(f"lesson of {day}", started_at=at(f"{day} 09:00"))
    assert pipeline.run(SyncDimensions, date=BROKEN).scheduling_succeeded
    pipeline.warehouse.execute(BREAK.replace("%(times)s", str(times)))
    scheduler = Scheduler()
    ours, other = (Worker(scheduler, worker_id=name) for name in ("ours", "other"))
    with ours, other:
        for worker in (ours, other):
            for day in DAYS:
                worker.add(BuildFactSessions(date=day))
            worker._add_worker()
        run_until_a_day_has_failed(ours)
        for worker in (other, ours) if other_first else (ours, other):
            worker.run()  # and comes back: nobody hangs
    assert attempts(pipeline) == expected
    failed = [task.date for worker in (ours, other) for task in _summary_dict(worker)["failed"]]
    assert failed == ([] if expected[-1] == "SUCCESS" else [BROKEN])
    assert pipeline.warehouse.value("select count(*) from fact_sessions") == (3 if not failed else 2)
