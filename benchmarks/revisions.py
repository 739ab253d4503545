"""`compare`: two commits of the project against each other, in turn, in the same environment."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import click
import psycopg2

from benchmarks.contenders import Pipeline
from benchmarks.content import content, differences
from benchmarks.databases import databases, settle
from benchmarks.jobs import JOBS
from benchmarks.machine import about, commit
from benchmarks.medians import Sample, in_turn, middle, middle_ratio, of
from benchmarks.pipeline import REPOSITORY
from benchmarks.servers import Server

# Stage, day, and whether everything is forced: so a second day syncs the dimensions too, as every night does.
STAGES = (
    ("fresh day", date(2025, 1, 14), False),
    ("second day", date(2025, 1, 15), True),
    ("re-run", date(2025, 1, 15), True),
)

Samples = dict[str, dict[str, list[Sample]]]
"""Stage, revision (A or B), and a sample for each round."""


def compare(
    source_server: Server, warehouse_server: Server, revisions: tuple[str, str], scale: float, rounds: int
) -> dict[str, Any]:
    """Measures, and returns the report."""
    report = about("compare", source_server, warehouse_server, scale=scale, rounds=rounds)
    samples: Samples = {stage: {"A": [], "B": []} for stage, _, _ in STAGES}
    different: list[str] = []
    with (
        _worktrees(revisions) as roots,
        databases(source_server) as sources,
        databases(warehouse_server) as warehouses,
    ):
        report["versions"] |= {name: commit(root) for name, root in roots.items()}
        source_url = source_server.url(sources.source(scale))
        templates = {name: warehouses.warehouse(root) for name, root in roots.items()}
        for number in range(rounds):
            click.echo(f"round {number + 1} of {rounds}", err=True)
            with ExitStack() as stack:
                urls = {name: stack.enter_context(warehouses.copy(templates[name])) for name in roots}
                for stage, day, force in STAGES:
                    for name in in_turn(list(roots), number):
                        settle(urls[name])
                        warehouse_server.checkpoint()
                        pipeline = Pipeline(root=roots[name])
                        samples[stage][name].append(pipeline.build(source_url, urls[name], day, force))
                different = _different(urls)
    return {
        **report,
        "content_differs": different,
        **{stage: _summary(by_name) for stage, by_name in samples.items()},
        "samples": samples,
    }


@contextmanager
def _worktrees(revisions: tuple[str, str]) -> Iterator[dict[str, Path]]:
    """The two commits, checked out in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="aivo-revisions-") as folder, ExitStack() as stack:
        roots = {}
        for name, revision in zip("AB", revisions, strict=True):
            roots[name] = Path(folder) / name
            _git("worktree", "add", "--quiet", "--detach", str(roots[name]), revision)
            stack.callback(_git, "worktree", "remove", "--force", str(roots[name]))
        yield roots


def _git(*arguments: str) -> None:
    done = subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(f"git {arguments[0]} failed: {done.stderr.strip()}")


def _different(urls: dict[str, str]) -> list[str]:
    """Where the two wrote something else; revisions whose tables differ can't be compared."""
    try:
        return differences(content(urls["A"]), content(urls["B"]))
    except psycopg2.Error as error:
        return [f"can't be compared: {str(error).splitlines()[0]}"]


def _summary(by_name: dict[str, list[Sample]]) -> dict[str, Any]:
    numbers = {
        "process": of("ms"),
        "first start to last end": of("first_start_to_last_end_ms"),
        **{job: of("jobs", job, "ms") for job in JOBS},
    }
    return {line: _line(by_name, number) for line, number in numbers.items()}


def _line(by_name: dict[str, list[Sample]], number: Callable[[Sample], float]) -> dict[str, float]:
    ratios = [number(b) / number(a) for a, b in zip(by_name["A"], by_name["B"], strict=True)]
    return {
        "A": middle(by_name["A"], number),
        "B": middle(by_name["B"], number),
        "ratio": middle_ratio(by_name["B"], by_name["A"], number),
        "lowest": round(min(ratios), 2),
        "highest": round(max(ratios), 2),
    }
