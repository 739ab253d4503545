"""Rounds, medians and ratios."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

Sample = dict[str, Any]
"""What one run took: `ms` as a whole, `jobs` one by one, and what else is known."""


def in_turn(names: list[str], number: int) -> list[str]:
    """The order of a round: each comes first in turn, so that whatever drifts meets all alike."""
    first = number % len(names)
    return names[first:] + names[:first]


def of(*path: str) -> Callable[[Sample], float]:
    """The number to which these keys lead in a sample."""

    def value(sample: Sample) -> float:
        found: Any = sample
        for key in path:
            found = found[key]
        return float(found)

    return value


def middle(samples: list[Sample], value: Callable[[Sample], float]) -> float:
    """The median of a value."""
    return round(median(value(sample) for sample in samples), 1)


def middle_ratio(samples: list[Sample], others: list[Sample], value: Callable[[Sample], float]) -> float:
    """The median of the ratios within each round: what is slow for a while is slow for both."""
    return round(median(value(one) / value(other) for one, other in zip(samples, others, strict=True)), 2)
