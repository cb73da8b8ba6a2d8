"""Peak memory and cold start of a bundle's runner.

    python benchmarks/runner.py --python .venv-device/bin/python BUNDLE \\
        -- --image x.png --audio y.wav

Starts `run.py` as a process of its own several times, as a device would, and
prints medians of the wall time and of the largest resident memory.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path


def measure(command: list[str]) -> tuple[float, float]:
    """Runs a command; returns seconds and mebibytes at the peak."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"the runner failed with exit code {process.returncode}")
    return seconds, usage.ru_maxrss / 1024


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("bundle", type=Path)
    options.add_argument("--python", default=sys.executable)
    options.add_argument("--turns", type=int, default=11)
    options.add_argument("arguments", nargs=argparse.REMAINDER)
    options = options.parse_args()

    script = str(options.bundle / "run.py")
    given = [each for each in options.arguments if each != "--"]
    command = [options.python, script, *given]
    # The first start reads from the disk what the others find in memory.
    first = measure(command)
    runs = [measure(command) for _ in range(options.turns)]
    print(f"first start {first[0]:.2f} s, {first[1]:.1f} MiB")
    for unit, figures in zip(("s", "MiB"), zip(*runs)):
        print(
            f"median {statistics.median(figures):.2f} {unit} "
            f"({min(figures):.2f} to {max(figures):.2f}), "
            f"{options.turns} starts"
        )


if __name__ == "__main__":
    main()
