"""The figures of the report, drawn by matplotlib in the page's colours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

from aivo_luigi.report.svg import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame, Series

INK, MUTED, LINE, ACCENT, SOFT, ALARM = COLOURS.values()

_STYLE: Any = {
    "svg.fonttype": "none",  # text stays text, in the page's font
    "svg.hashsalt": "aivo_luigi",
    "font.size": 10,
    "text.color": MUTED,
    "axes.edgecolor": LINE,
    "axes.facecolor": "none",
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": MUTED,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "figure.facecolor": "none",
    "xtick.bottom": False,
    "xtick.labelcolor": MUTED,
    "ytick.left": False,
    "ytick.labelcolor": MUTED,
}
_WIDTH = 5  # inches of 72 units: as many pixels as a phone is wide


@contextmanager
def style() -> Iterator[None]:
    """The look of the figures drawn and saved within."""
    import logging

    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # where its cache lies is of no interest here
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):
        yield


def draw_job(days: Sequence[date], series: DataFrame) -> Figure:
    """Rows and seconds by day; a cross marks a day that has failed."""
    figure, (rows, seconds) = _figure(2, 2.4)
    _line(rows, series["rows_processed"], ACCENT)
    failed = [number for number, state in enumerate(series["state"]) if state == "FAILED"]
    rows.plot(failed, [0] * len(failed), "x", color=ALARM, markersize=6, markeredgewidth=2, clip_on=False)
    _line(seconds, series["seconds"], MUTED)
    _label(rows, "rows read")
    _label(seconds, "seconds")
    _days(seconds, days)
    return figure


def draw_dimension(days: Sequence[date], series: DataFrame) -> Figure:
    """Members after each day, and what the day's syncs did."""
    figure, (members, changes) = _figure(2, 2.4)
    _line(members, series["members"], ACCENT)
    where = range(len(days))
    changes.bar(where, series["inserted"], color=ACCENT, width=0.8)
    changes.bar(where, series["updated"], bottom=series["inserted"], color=SOFT, width=0.8)
    changes.bar(where, -series["deleted"], color=MUTED, width=0.8)
    changes.axhline(0, color=LINE, linewidth=0.8)
    _label(members, "members", from_zero=False)
    _label(changes, "changes a day", from_zero=False)
    _days(changes, days)
    return figure


def draw_bars(days: Sequence[date], title: str, *stacked: tuple[Series[float], str]) -> Figure:
    """Bars by day, each of the series standing on the one before it, in its colour."""
    figure, (axes,) = _figure(1, 1.6)
    bottom = stacked[0][0] * 0
    for series, colour in stacked:
        axes.bar(range(len(days)), series, bottom=bottom, color=colour, width=0.8)
        bottom = bottom + series
    _label(axes, title)
    _days(axes, days)
    return figure


def _figure(number: int, height: float) -> tuple[Figure, Sequence[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height))
    figure.subplots_adjust(left=0.11, right=0.985, top=1 - 0.27 / height, bottom=0.28 / height, hspace=0.55)
    axes: Any = figure.subplots(number, 1, sharex=True, squeeze=False)
    return figure, axes[:, 0]


def _line(axes: Axes, series: Series[float], colour: str) -> None:
    axes.plot(range(len(series)), series, color=colour, linewidth=1.6, marker="o", markersize=2.6)


def _label(axes: Axes, title: str, *, from_zero: bool = True) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title(title)
    axes.yaxis.set_major_locator(MaxNLocator(2, min_n_ticks=2))
    axes.yaxis.set_major_formatter(lambda value, position: compact(value))
    axes.grid(axis="y", color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    if from_zero:
        axes.set_ylim(bottom=0)


def _days(axes: Axes, days: Sequence[date]) -> None:
    """A few days under the axis, the newest among them."""
    step = max(1, -(-len(days) // 5))
    shown = range(len(days) - 1, -1, -step)
    axes.set_xticks(shown, [f"{days[number].day} {days[number]:%b}" for number in shown])
    axes.set_xlim(-0.7, len(days) - 0.3)


def compact(value: float) -> str:
    """A number in a few letters: 950, 12k, 1.5M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"
