"""python -m tests.faults: breaks runs on purpose, in every way that production knows, and looks at what is left."""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent)]
os.environ["LUIGI_CONFIG_PATH"] = str(TESTS.parent / "luigi.cfg")

from faults.kinds import KINDS, possible  # noqa: E402
from faults.report import report  # noqa: E402
from faults.suite import run_suite  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--faults", type=int, default=100, help="how many (default: 100)")
    parser.add_argument("--seed", type=int, help="what they are drawn from (default: any)")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS), metavar="KIND", help="some")
    parser.add_argument(
        "--only", type=int, metavar="NUMBER", help="the fault of this number alone, to look at it again"
    )
    parser.add_argument("--lanes", type=int, default=2, help="so many side by side, with servers of their own")
    parser.add_argument("--bin", type=Path, help="folder of the server's programs (default: PostgreSQL 15, if there)")
    parser.add_argument("--json", type=Path, help="a file for a line of JSON per fault")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    seed = random.SystemRandom().randrange(1_000_000) if options.seed is None else options.seed
    kinds = [kind for kind in options.kinds if not (why := possible(kind)) or print(f"left out: {kind}, for {why}")]
    print(f"{options.faults} faults, seed {seed}", flush=True)
    wanted = [(number, seed, kinds[number % len(kinds)]) for number in range(options.faults)]
    if options.only is not None:
        wanted = [(options.only, seed, kinds[options.only % len(kinds)])]
    found = run_suite(wanted, min(options.lanes, len(wanted)), options.bin, options.json)
    print(report(found, seed))
    return int(any(outcome.problem for outcome in found) or len(found) < len(wanted))


if __name__ == "__main__":
    sys.exit(main())
