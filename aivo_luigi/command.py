"""Where the command aivo-etl begins and ends: at whatever moment Ctrl-C comes, there is no traceback."""

import signal
import sys

_INTERRUPTED = 130


def main() -> None:
    """Runs the command; exits with its code. What it imports takes a while, in which Ctrl-C may come, too."""
    try:
        from aivo_luigi.cli import main as command

        command()
    except KeyboardInterrupt:
        print("aivo-etl: interrupted", file=sys.stderr)
        sys.exit(_INTERRUPTED)
    finally:
        # What is left is tidying up, the stop of the embedded server for one: better done than cut off.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
