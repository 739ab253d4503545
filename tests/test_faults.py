"""The fault suite in short: what production does to a run leaves nothing that the next one does not put right.

AIVO_TEST_FAULTS is the number of faults (6 by default), AIVO_TEST_SEED what they are drawn from. The long form is
`python -m tests.faults`; docs/reliability.md tells what came of it.
"""

from __future__ import annotations

import os
import random

from faults.kinds import KINDS, possible
from faults.report import report
from faults.suite import run_suite

FAULTS = int(os.environ.get("AIVO_TEST_FAULTS") or 6)
SEED = int(os.environ.get("AIVO_TEST_SEED") or random.SystemRandom().randrange(1_000_000))


def test_no_fault_leaves_what_the_next_run_does_not_put_right() -> None:
    """Other kinds each time: all of them come by in a few runs of the tests."""
    kinds = [kind for kind in KINDS if not possible(kind)]
    random.Random(SEED).shuffle(kinds)
    found = run_suite([(number, SEED, kinds[number % len(kinds)]) for number in range(FAULTS)], lanes=2)
    print(report(found, SEED))
    assert len(found) == FAULTS
    assert [(one.kind, one.problem) for one in found if one.problem] == []
    assert "hung" not in {one.outcome for one in found}
