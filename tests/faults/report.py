"""What came of the faults, as Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from faults.lane import Outcome

OUTCOMES = [
    "succeeded undisturbed",
    "succeeded, begun again",
    "failed, told in one line",
    "terminated",
    "killed",
    "had ended before it",
    "hung",
]


def report(found: Sequence[Outcome], seed: int) -> str:
    """A table of kinds and outcomes, the messages of failed runs, and what went wrong."""
    return "\n\n".join([f"{len(found)} faults, seed {seed}.", _table(found), _messages(found), _problems(found)])


def _table(found: Sequence[Outcome]) -> str:
    head = ["fault", "number", *OUTCOMES, "longest (s)", "not as an undisturbed run"]
    lines = [_row(head), _row(["---"] * len(head))]
    for kind in sorted({one.kind for one in found}):
        lines.append(_row(_cells(kind.replace("_", " "), [one for one in found if one.kind == kind])))
    return "\n".join([*lines, _row(_cells("all", found))])


def _cells(name: str, found: Sequence[Outcome]) -> list[object]:
    counts = Counter(one.outcome for one in found)
    longest = max((one.seconds for one in found), default=0)
    return [name, len(found), *(counts[name] or "" for name in OUTCOMES), longest, sum(bool(o.problem) for o in found)]


def _row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _messages(found: Sequence[Outcome]) -> str:
    counts = Counter(message for one in found for message in one.messages)
    return "\n".join(["Why runs failed:", "", *(f"- {number} times: {text}" for text, number in counts.most_common())])


def _problems(found: Sequence[Outcome]) -> str:
    problems = [f"- {one.number} {one.kind}: {one.problem}" for one in found if one.problem]
    return "\n".join(["Problems:", "", *problems]) if problems else "Nothing was lost, nothing was there twice."
