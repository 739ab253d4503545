"""The report's page: numbers, figures and templates put together."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from aivo_luigi.errors import mask_ids
from aivo_luigi.jobs.record import is_dimension
from aivo_luigi.monitoring.alerts import lines
from aivo_luigi.report import plots
from aivo_luigi.report.heat_map import cells_by_job, months
from aivo_luigi.report.promises import promises
from aivo_luigi.report.queries import RUNS, Numbers, Row
from aivo_luigi.report.series import (
    dimension_series,
    job_series,
    rejected_by_reason,
    rejected_series,
    success_series,
)
from aivo_luigi.report.states import LEGEND, State, day_state, reason, run_state, state_now
from aivo_luigi.report.svg import Plots

_FOLDER = "templates"
_OPEN_RUNS = 25


@dataclass(frozen=True)
class Figure:
    """An image, and the same numbers as rows of a table: a day and its values."""

    name: str
    svg: Markup
    rows: list[tuple[Any, ...]]


def make_page(numbers: Numbers, refresh: int = 0) -> str:
    """The page as HTML that needs nothing else. With `refresh` it asks for itself again every so many seconds."""
    images = Plots()
    with plots.style():
        figures = _figures(numbers, images)
    style, script = f"{_read('style.css')}\n{images.css()}", _read("script.js")
    return (
        _templates()
        .get_template("page.html")
        .render(
            numbers=numbers,
            refresh=refresh,
            alert_lines=lines(numbers.alerts),
            style=Markup(style),
            script=Markup(script),
            style_hash=_hash(style),
            script_hash=_hash(script),
            figures=figures,
            states_now=_states_now(numbers),
            cells=cells_by_job(numbers),
            months=list(months(numbers.days)),
            legend=LEGEND,
            dimensions=[job for job in numbers.jobs if is_dimension(job)],
            rejected=rejected_by_reason(numbers),
            promises=promises(numbers),
            open_runs=_OPEN_RUNS,
            most_runs=RUNS,
        )
    )


def _figures(numbers: Numbers, images: Plots) -> dict[str, Figure]:
    """Those that have anything to show, by name."""
    dimensions = [job for job in numbers.jobs if is_dimension(job)]
    panels = plots.job_panels(numbers.days)
    found = [_job_figure(numbers, images, panels, job) for job in numbers.jobs]
    panels = plots.dimension_panels(numbers.days)
    found += [_dimension_figure(numbers, images, panels, job) for job in dimensions]
    found += [_rejected_figure(numbers, images), _success_figure(numbers, images)]
    return {figure.name: figure for figure in found if figure}


def _job_figure(numbers: Numbers, images: Plots, panels: plots.Panels, job: str) -> Figure | None:
    series = job_series(numbers, job)
    if series["state"].isna().all():
        return None
    text = (
        f"Rows read: {_span(series['rows_processed'])}. Seconds: {_span(series['seconds'], '.2f')}. "
        f"Days with an unusual number of rows: {series['is_unusual'].sum()}."
    )
    svg = images.svg(plots.draw_job(panels, series), f"plot-{job}", f"Rows and seconds of {job} by day", text)
    ran = [row for row in numbers.job_days if row["job_name"] == job]
    usual = {row["day"]: row for row in numbers.expectations if row["job_name"] == job}
    rows = [(row["day"], day_state(numbers, job, row["day"], row), row, usual.get(row["day"])) for row in ran]
    return Figure(job, svg, rows)


def _dimension_figure(numbers: Numbers, images: Plots, panels: plots.Panels, job: str) -> Figure | None:
    series = dimension_series(numbers, job)
    if series["members"].isna().all():
        return None
    text = f"Members: {_span(series['members'])}. {_sums(series, 'inserted', 'updated', 'deleted')}."
    figure = plots.draw_dimension(panels, series)
    svg = images.svg(figure, f"growth-{job}", f"Members and changes of {job} by day", text)
    rows = [row for row in series.dropna().itertuples(name=None) if any(row[1:4])]
    return Figure(f"growth-{job}", svg, rows)


def _rejected_figure(numbers: Numbers, images: Plots) -> Figure | None:
    series = rejected_series(numbers)
    if not series["records"].any():
        return None
    figure = plots.draw_bars(numbers.days, "records", (series["records"], plots.ACCENT))
    svg = images.svg(figure, "rejected", "Rejected rows and fields by day", f"{_sums(series, 'records')}.")
    return Figure("rejected", svg, [row for row in series.itertuples(name=None) if row[1]])


def _success_figure(numbers: Numbers, images: Plots) -> Figure | None:
    series = success_series(numbers)
    if not series["total"].any():
        return None
    bars = (series["success_count"], plots.SOFT), (series["failed_count"], plots.ALARM)
    text = f"{_sums(series, 'success_count', 'failed_count')}."
    svg = images.svg(plots.draw_bars(numbers.days, "runs", *bars), "success", "Runs by the day they started on", text)
    return Figure("success", svg, [row for row in series.itertuples(name=None) if row[3]])


def _span(series: Any, form: str = ",.0f") -> str:
    known = series.dropna()
    if known.empty:
        return "none"
    return f"{known.min():{form}} to {known.max():{form}}, the last {known.iloc[-1]:{form}}"


def _sums(series: Any, *columns: str) -> str:
    return ", ".join(f"{series[column].sum():,.0f} {column.removesuffix('_count')}" for column in columns)


def _states_now(numbers: Numbers) -> list[tuple[str, State, Row, str]]:
    """Each job with its state for the newest day that is over, its numbers, and why its last run failed, if it did."""
    rows = {row["job_name"]: row for row in numbers.jobs_now}
    found = []
    for job in numbers.jobs:
        row = rows.get(job)
        found.append((job, state_now(numbers, job, row), row or {}, reason(row)))
    return found


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("aivo_luigi.report", _FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "whole": lambda number: "" if number is None else f"{number:,.0f}",
        "seconds": lambda number: "" if number is None else f"{number:,.2f}",
        "moment": lambda time: f"{time:%Y-%m-%d %H:%M}" if time else "",
        "breakable": _breakable,
        "run_state": run_state,
        "reason": reason,
        "mask_ids": mask_ids,
    }
    return environment


@cache
def _breakable(name: str) -> Markup:
    """A long name, which may be broken behind its underscores."""
    return Markup("_<wbr>").join(map(escape, name.split("_")))


@cache
def _read(name: str) -> str:
    return (files("aivo_luigi.report") / _FOLDER / name).read_text(encoding="utf-8").strip()


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
