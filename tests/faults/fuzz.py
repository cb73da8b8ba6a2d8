"""Many seeded tries of every fault, counted: `make fuzz`.

A file `tests/faults/fuzz_<what>.py` registers its faults when it is imported:

    from faults.fuzz import fault

    def cut(draw):                    # random.Random -> a case, best shown
        return draw.random()          # by its repr: what is to be damaged, how

    def loading(case, folder):        # an empty folder, removed afterwards
        path = damaged_copy(case, folder)
        with pytest.raises(ValueError, match="model.keras"):
            load_model(path)

    fault(4, cut, loading, tries=1000)

A try has survived if the attempt returns; an exception of any kind is a
failure, so that what must be refused is asserted in the attempt. What is
costly is made once, by a cached function. The case of a try follows from the
fault, both functions' names and the number of the try alone.

    make fuzz                              all faults, all tries
    make fuzz FUZZ="--faults 3,27 --tries 50"
    make fuzz FUZZ="--faults 2 --first 20 --seconds 170"    in parts

`test_fuzz.py` makes a few tries of each in every run of the tests.
"""

import argparse
import contextlib
import importlib
import io
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SHOWN = 3  # Failures of a fault that are printed.


@dataclass(frozen=True)
class Fault:
    """A fault of the table in faults.md, and how it is tried."""

    number: int
    generator: Callable[[random.Random], Any]
    attempt: Callable[[Any, Path], None]
    tries: int

    @property
    def name(self) -> str:
        return f"{self.generator.__name__} / {self.attempt.__name__}"

    def one(self, number: int) -> None:
        """Makes the try `number`; raises what the attempt raises."""
        draw = random.Random(f"{self.number} {self.name} {number}")
        case = self.generator(draw)
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            try:
                # What a command says is no part of the table.
                with (
                    contextlib.redirect_stdout(io.StringIO()),
                    contextlib.redirect_stderr(io.StringIO()),
                ):
                    self.attempt(case, Path(folder))
            except BaseException as error:
                error.add_note(f"fault {self.number}, try {number}: {case!r}")
                raise


FAULTS: list[Fault] = []


def fault(number: int, generator, attempt, tries: int = 50) -> None:
    """Registers a fault: its number, see above, and the tries of a run."""
    FAULTS.append(Fault(number, generator, attempt, tries))


def collected() -> list[Fault]:
    """Returns the faults that all `fuzz_*.py` register."""
    for path in sorted(HERE.glob("fuzz_*.py")):
        importlib.import_module(f"faults.{path.stem}")
    return sorted(FAULTS, key=lambda one: one.number)


def count(one: Fault, numbers: range, seconds: float) -> tuple[int, int]:
    """Makes tries, and prints the first failures.

    Args:
        one: The fault.
        numbers: Of its tries.
        seconds: After how many no further one is begun.

    Returns:
        How many were made, and how many failed.
    """
    made = failed = 0
    end = time.monotonic() + seconds
    for number in numbers:
        if time.monotonic() > end:
            break
        made += 1
        try:
            one.one(number)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            failed += 1
            if failed <= SHOWN:
                text = f"{type(error).__name__}: {error}"[:500]
                print(f"  {error.__notes__[-1][:300]}\n    {text}")
    return made, failed


def main(arguments: list[str] | None = None) -> int:
    """Prints tries, survived and failed by fault; 1 if any failed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--faults", help="numbers, with commas; all without")
    parser.add_argument("--tries", type=int, help="at most so many of each")
    parser.add_argument("--first", type=int, default=0, help="tries from here")
    parser.add_argument(
        "--seconds", type=float, default=float("inf"), help="of each, at most"
    )
    options = parser.parse_args(arguments)
    wanted = {int(n) for n in (options.faults or "").split(",") if n}
    rows = []
    for one in collected():
        if not wanted or one.number in wanted:
            start = time.monotonic()
            tries = min(one.tries, options.first + (options.tries or one.tries))
            numbers = range(options.first, tries)
            made, failed = count(one, numbers, options.seconds)
            rows.append((one.number, made, failed))
            taken = time.monotonic() - start
            print(f"{one.number:3} {one.name}: {failed} of {made} failed, "
                  f"{taken:.1f} s", flush=True)  # fmt: skip
    print(f"\n{'fault':>5} {'tries':>7} {'survived':>9} {'failed':>7}")
    for number in sorted({row[0] for row in rows}):
        _row(number, [row for row in rows if row[0] == number])
    _row("all", rows)
    return int(any(row[2] for row in rows))


def _row(label: Any, rows: list[tuple]) -> None:
    tries, failed = (sum(row[place] for row in rows) for place in (1, 2))
    print(f"{label:>5} {tries:7,} {tries - failed:9,} {failed:7,}")


if __name__ == "__main__":
    # As the module that the registering files import, and not a second one.
    sys.path.insert(0, str(HERE.parent))
    from faults.fuzz import main as command

    # A shell ignores it for what it runs in the background, and so would all
    # that is stopped by it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(command())
