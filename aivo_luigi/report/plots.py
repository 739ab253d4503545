"""The figures of the report, drawn by matplotlib in the page's colours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from aivo_luigi.report.svg import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame, Series

INK, MUTED, LINE, ACCENT, SOFT, ALARM = COLOURS.values()

_STYLE: Any = {
    "svg.fonttype": "none",  # text stays text, in the page's font
    "svg.hashsalt": "aivo_luigi",
    "font.size": 11,
    "text.color": MUTED,
    "axes.edgecolor": LINE,
    "axes.facecolor": "none",
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": MUTED,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titley": 1.0,  # where it is told, matplotlib need not measure every label to find a place
    "axes.labelsize": 11,
    "figure.facecolor": "none",
    "xtick.bottom": False,
    "xtick.labelcolor": MUTED,
    "xtick.labelsize": 11,
    "ytick.left": False,
    "ytick.labelcolor": MUTED,
    "ytick.labelsize": 11,
}
_ONE_YEAR_AT_MOST = 300  # days; of more, the years are named
_WIDTH = 4  # inches of 72 units: about as many pixels as a figure has on a phone, or in a column


@contextmanager
def style() -> Iterator[None]:
    """The look of the figures drawn and saved within."""
    with mpl.rc_context(_STYLE):
        yield


class Panels:
    """Axes below each other over the same days; drawn upon anew for each job, since making them costs most."""

    def __init__(self, days: Sequence[date], *titles: str) -> None:
        height = 0.3 + 0.9 * len(titles)
        self.figure = Figure(figsize=(_WIDTH, height))
        self.figure.subplots_adjust(left=0.14, right=0.95, top=1 - 0.25 / height, bottom=0.26 / height, hspace=0.5)
        axes: Any = self.figure.subplots(len(titles), 1, squeeze=False)
        self._axes: Sequence[Axes] = axes[:, 0]
        for panel, title in zip(self._axes, titles, strict=True):
            _dress(panel, title, len(days))
        _name_days(self._axes[-1], days)

    def clear(self) -> Sequence[Axes]:
        """The axes, with nothing on them."""
        for axes in self._axes:
            for artist in [*axes.lines, *axes.patches, *axes.collections]:
                artist.remove()
            axes.relim()
            axes.autoscale(axis="y")
        return self._axes


def job_panels(days: Sequence[date]) -> Panels:
    """For `draw_job`."""
    return Panels(days, "rows read", "seconds")


def draw_job(panels: Panels, series: DataFrame) -> Figure:
    """Rows, how many are usual, and seconds by day. A ring marks what is unusual, a cross a day that has failed."""
    rows, seconds = panels.clear()
    rows.fill_between(range(len(series)), series["lower_rows"], series["upper_rows"], color=SOFT, linewidth=0)
    _line(rows, series["rows_processed"], ACCENT)
    _mark(rows, series["rows_processed"].where(series["is_unusual"]), marker="o", markersize=9, fillstyle="none")
    _mark(rows, (series["state"] == "FAILED").map({True: 0.0}), marker="x", markersize=6)
    _line(seconds, series["seconds"], MUTED)
    for axes in (rows, seconds):
        axes.set_ylim(bottom=0)
    return panels.figure


def dimension_panels(days: Sequence[date]) -> Panels:
    """For `draw_dimension`."""
    return Panels(days, "members", "changes a day")


def draw_dimension(panels: Panels, series: DataFrame) -> Figure:
    """Members after each day, and what the day's syncs did."""
    members, changes = panels.clear()
    _line(members, series["members"], ACCENT)
    _bars(changes, series["inserted"], ACCENT)
    _bars(changes, series["inserted"] + series["updated"], SOFT, series["inserted"])
    _bars(changes, -series["deleted"], MUTED)
    changes.axhline(0, color=LINE, linewidth=0.8)
    return panels.figure


def draw_bars(days: Sequence[date], title: str, *stacked: tuple[Series[float], str]) -> Figure:
    """Bars by day, each of the series standing on the one before it, in its colour."""
    panels = Panels(days, title)
    (axes,) = panels.clear()
    base = stacked[0][0] * 0
    for series, colour in stacked:
        _bars(axes, base + series, colour, base)
        base = base + series
    axes.set_ylim(bottom=0)
    return panels.figure


def _line(axes: Axes, series: Series[float], colour: str) -> None:
    axes.plot(range(len(series)), series, color=colour, linewidth=1.6, marker="o", markersize=2.6)


def _mark(axes: Axes, series: Series[float], **marker: Any) -> None:
    axes.plot(range(len(series)), series, linestyle="none", color=ALARM, markeredgewidth=2, clip_on=False, **marker)


def _bars(axes: Axes, tops: Series[float], colour: str, base: Series[float] | float = 0) -> None:
    edges = [number - 0.5 for number in range(len(tops) + 1)]
    axes.stairs(tops, edges, baseline=base, fill=True, color=colour)


def _dress(axes: Axes, title: str, number_of_days: int) -> None:
    axes.set_title(title)
    axes.set_xlim(-0.7, number_of_days - 0.3)
    axes.xaxis.set_visible(False)
    axes.yaxis.set_major_locator(MaxNLocator(3, min_n_ticks=2, integer=title != "seconds"))
    axes.yaxis.set_major_formatter(lambda value, position: compact(value))
    axes.grid(axis="y", color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)


def _name_days(axes: Axes, days: Sequence[date]) -> None:
    """A few days under the axis, the newest among them."""
    step = max(1, -(-len(days) // 4))
    shown = range(len(days) - 1, -1, -step)
    axes.xaxis.set_visible(True)
    form = "%b %Y" if len(days) > _ONE_YEAR_AT_MOST else "%-d %b"
    axes.set_xticks(shown, [f"{days[number]:{form}}" for number in shown])


def compact(value: float) -> str:
    """A number in a few letters: 950, 12k, 1.5M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"
