"""`python -m mmkeras.export`: the same command as `mmkeras export`."""

import sys
from collections.abc import Sequence

from mmkeras import cli


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    return cli.main(["export", *given])


if __name__ == "__main__":
    sys.exit(main())
