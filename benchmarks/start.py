"""How long the package and its commands take to start.

    python benchmarks/start.py

Prints the quickest of several starts, in seconds of a wall clock and of the
processor: of `import mmkeras`, of `--help` of every command, and of a decoding
worker, with what large libraries each brings along. On an idle core the two
agree; on a busy one the processor's tell more.
"""

import os
import subprocess
import sys
import time

import typer

from mmkeras import cli

REPEATS = 5
LIBRARIES = ("tensorflow", "keras", "pandas", "pydantic", "numpy")
# Runs some code, then tells on its last line which libraries are there.
PROBE = """
import atexit, sys
def tell():
    found = sorted(set(sys.modules) & set({libraries!r}))
    sys.stderr.write("\\n" + (", ".join(found) or "none of them"))
atexit.register(tell)
{code}
"""


def measure(code: str) -> tuple[float, float, str]:
    """Returns wall and processor seconds, and the libraries imported."""
    probe = PROBE.format(libraries=LIBRARIES, code=code)
    walls, processors = [], []
    for _ in range(REPEATS):
        start, before = time.perf_counter(), os.times()
        done = subprocess.run(
            [sys.executable, "-c", probe], capture_output=True, text=True
        )
        walls.append(time.perf_counter() - start)
        after = os.times()
        processors.append(
            after.children_user + after.children_system
            - before.children_user - before.children_system
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stderr)
    return min(walls), min(processors), done.stderr.splitlines()[-1]


def commands(group, words: tuple = ()):
    """Yields the words of every command."""
    yield words
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*words, name))


def main() -> None:
    """Measures, and prints a table."""
    rows = {
        "python alone": "",
        "import mmkeras": "import mmkeras",
        "decoding worker": "from mmkeras.data.ingest import answer_jobs",
    }
    for words in commands(typer.main.get_command(cli.app)):
        given = [*words, "--help"]
        rows[" ".join(["mmkeras", *given])] = (
            f"from mmkeras import cli\nsys.exit(cli.main({given}))"
        )
    print(f"load of this computer: {os.getloadavg()[0]:.1f}")
    print(f"   wall  processor  {'start of':<32}  among {LIBRARIES}")
    for name, code in rows.items():
        wall, processor, found = measure(code)
        print(f"{wall:7.3f}  {processor:9.3f}  {name:<32}  {found}", flush=True)


if __name__ == "__main__":
    main()
