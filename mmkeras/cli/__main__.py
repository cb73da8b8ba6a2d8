"""`python -m mmkeras.cli`: the same as `mmkeras`."""

import sys

from mmkeras.cli import main

if __name__ == "__main__":
    sys.exit(main())
