"""What a person sees of a run: a live table in a terminal, a line per event anywhere else."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from aivo_luigi.errors import debugging
from aivo_luigi.operate.board import DONE, FAILED, NOT_RUN, RUNNING, SKIPPED, WAITING, Board, Line
from aivo_luigi.operate.output import Output
from aivo_luigi.tables import NARROW

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_STYLES = {WAITING: "dim", RUNNING: "cyan", DONE: "green", FAILED: "bold red", SKIPPED: "dim", NOT_RUN: "yellow"}


def make_console() -> Console:
    """Standard output: colours only in a terminal, and where NO_COLOR isn't set; no line is broken anywhere else."""
    from rich.console import Console

    output: Any = Output()
    console = Console(file=output, highlight=False)
    return console if console.is_terminal else Console(file=output, highlight=False, width=10_000, soft_wrap=True)


def sentence(line: Line) -> str:
    """A line of the board in words."""
    what = f"{line.job_name} {line.day}: {line.state}"
    if line.state in (FAILED, NOT_RUN):
        return f"{what}: {line.reason}"
    if line.state == DONE:
        rejected = f", {line.rejected:,} rejected" if line.rejected else ""
        return f"{what}, {line.rows:,} rows{rejected} in {line.seconds:.2f} s"
    return what


class JobsDisplay:
    """The jobs of a run. `console` may print at any time: in a terminal, above the table."""

    def __init__(self, board: Board, console: Console) -> None:
        self.board, self.console = board, console
        self._is_live = console.is_terminal and not debugging()
        self._live: Any = None

    def shown(self) -> AbstractContextManager[Any]:
        """The display, for as long as the block lasts."""
        if not self._is_live:
            for line in self.board.in_state(SKIPPED):
                self.console.print(f"{sentence(line)}, complete already")
            return nullcontext()
        from rich.live import Live

        self._live = Live(get_renderable=self._table, console=self.console, auto_refresh=False, redirect_stdout=False)
        live: AbstractContextManager[Any] = self._live
        return live

    def look(self) -> None:
        """Asks the warehouse, and tells what is new."""
        self.tell(self.board.update())

    def tell(self, lines: list[Line]) -> None:
        """In a terminal the table tells; elsewhere each line is printed."""
        if self._live is not None:
            self._live.refresh()
        elif not self._is_live:
            for line in lines:
                self.console.print(sentence(line), markup=False)

    def _table(self) -> Table:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        narrow = self.console.width < NARROW
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=not narrow, padding=(0, 0) if narrow else (0, 1))
        table.add_column("job", no_wrap=True)
        table.add_column("day", no_wrap=True)
        table.add_column("state", no_wrap=True)
        table.add_column("rows", justify="right", no_wrap=True)
        if not narrow:
            table.add_column("seconds", justify="right", no_wrap=True)
        for line in list(self.board.lines.values()):
            ran = line.state in (RUNNING, DONE, FAILED) and line.seconds > 0
            table.add_row(
                line.job_name,
                str(line.day),
                Text(line.state, style=_STYLES[line.state]),
                f"{line.rows:,}" if ran else "",
                *([] if narrow else [f"{line.seconds:.2f}" if ran else ""]),
            )
        return table
