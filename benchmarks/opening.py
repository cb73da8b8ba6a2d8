"""What the checks of a manifest cost where a bundle is opened.

    python benchmarks/opening.py build/demo/bundle

Side by side in one process, with and without what a manifest proves: bounds,
doubled keys, its own hash, the types of its fields. Without, it is parsed and
its files are hashed, as before there was a format number. Aim: 1.10 at most.
"""

import argparse
import hashlib
import importlib.util
import json
import statistics
import time
from pathlib import Path
from unittest import mock

from mmkeras import artefact

AIM = 1.10


def device(bundle: Path):
    """Returns the module `run.py` of a bundle."""
    spec = importlib.util.spec_from_file_location("run", bundle / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def plainly(bundle: Path) -> dict:
    """Reads a manifest as before: parsed, its files hashed."""
    path = bundle / artefact.MANIFEST
    manifest = json.loads(path.read_text(encoding="utf-8"))
    for name, entry in manifest["files"].items():
        check_file(bundle, name, entry)
    return manifest


def check_file(folder: Path, name: str, entry: dict) -> None:
    """Compares a file with its entry, as before."""
    path = folder / name
    inside = not Path(name).is_absolute() and ".." not in Path(name).parts
    if not inside or path.is_symlink() or not path.is_file():
        raise ValueError(name)
    if path.stat().st_size != entry["bytes"]:
        raise ValueError(name)
    with open(path, "rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != entry["sha256"]:
            raise ValueError(name)


def medians(ways: dict, rounds: int) -> dict[str, float]:
    """Returns milliseconds by name, each measured in every round."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            taken[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(each) for name, each in taken.items()}


def show(what: str, found: dict[str, float]) -> None:
    """Prints both times, and their ratio."""
    before, now = found.values()
    ratio = now / before
    print(f"{what:22} {before:8.2f} {now:8.2f} ms  {ratio:.3f}  aim {AIM:.2f}")


def main() -> None:
    """Prints the medians for the package and for the runner."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    bundle, rounds = options.bundle, options.rounds
    run = device(bundle)
    run.Runner(bundle)  # what is imported once is no matter here
    manifest = run.own().modules["manifest"]

    def bare() -> None:
        with (
            mock.patch.object(
                manifest, "read_json", lambda p: json.loads(p.read_bytes())
            ),
            mock.patch.object(manifest, "is_proven", lambda *_: True),
            mock.patch.object(manifest, "check_schema", lambda *_: None),
        ):
            run.Runner(bundle)

    print(f"{'median of':22} {'before':>8} {'now':>8}     ratio")
    ways = {"before": lambda: plainly(bundle),
            "now": lambda: artefact.read_manifest(bundle)}  # fmt: skip
    show("artefact.read_manifest", medians(ways, rounds))
    ways = {"before": bare, "now": lambda: run.Runner(bundle)}
    show("Runner", medians(ways, rounds))


if __name__ == "__main__":
    main()
