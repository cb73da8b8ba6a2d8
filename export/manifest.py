"""The manifest of a bundle, and whether its files are as it says."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from run import HERE, Code
from validation import refuse, sha256_of

MANIFEST = "manifest.json"
# What every file that reads an input, or answers for an output, must have.
READER, ANSWERER = ("read",), ("shape", "answer")


@contextlib.contextmanager
def understood(folder: Path) -> Iterator[None]:
    """Turns what a manifest lacks into one line about the manifest."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, UnicodeError,
            json.JSONDecodeError) as error:  # fmt: skip
        what = f"{type(error).__name__}: {error}"
        refuse(f"`{folder / MANIFEST}`", "a manifest written by mmkeras", what)


def read_manifest(folder: Path) -> dict:
    """Returns the manifest of a bundle whose files are all as it says."""
    path = folder / MANIFEST
    if not path.is_file():
        refuse(f"`{folder}`", "a bundle", f"no {MANIFEST} in it")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    if manifest["kind"] != "bundle":
        refuse(f"`{path}`", "of kind bundle", manifest["kind"])
    for name, entry in manifest["files"].items():
        check_file(folder / name, name, entry["sha256"])
    check_listed(folder, manifest, [manifest["model"]["file"], "labels.json"])
    check_labels(folder / "labels.json", manifest)
    return manifest


def check_file(path: Path, name: str, expected: str) -> None:
    """Raises ValueError unless a file of the bundle has its hash."""
    here = path.is_file() and not path.is_symlink()
    if Path(name).name != name or not here:
        refuse(f"`{path}`", "a file of the bundle", "nothing or a link")
    found = sha256_of(path)
    if found != expected:
        known = f"the file with sha256 {expected[:16]}"
        refuse(f"`{path}`", known, found[:16])


def check_listed(folder: Path, manifest: dict, used: list[str]) -> None:
    """Raises ValueError unless the manifest lists what the runner uses."""
    if set(used) - set(manifest["files"]):
        refuse(f"`{folder}`", f"a bundle with {used}", "fewer files")


def check_labels(path: Path, manifest: dict) -> None:
    """Raises ValueError unless the file has the manifest's classes."""
    labels = json.loads(path.read_text(encoding="utf-8"))
    classes = {name: entry["classes"]
               for name, entry in manifest["outputs"].items()
               if "classes" in entry}  # fmt: skip
    if labels != classes:
        refuse(f"`{path}`", f"the manifest's classes {classes}", labels)


def load_readers(folder: Path, manifest: dict, trust: bool) -> dict:
    """Returns the module of each input and output by its name.

    A reader is code: it lies beside the runner, whoever's bundle it serves,
    unless the bundle's folder is trusted.

    Args:
        folder: The bundle.
        manifest: Its manifest.
        trust: Whether to run code of another folder than the runner's.
    """
    entries = {**manifest["inputs"], **manifest["outputs"]}
    old = [name for name, entry in entries.items() if "reader" not in entry]
    if old:
        refuse(
            f"`{folder}`",
            "a bundle whose manifest names readers; an older one is run by "
            f"its own `{folder / 'run.py'}`, or made anew by "
            "`python -m mmkeras.export RUN --out BUNDLE`",
            f"none for {', '.join(old)}",
        )
    used = [entry["reader"] for entry in entries.values()]
    check_listed(folder, manifest, used)
    hashes = {n: entry["sha256"] for n, entry in manifest["files"].items()}
    places, advice = [HERE, folder], ""
    if not trust:
        places = [HERE]
        advice = (
            " beside this run.py; to run the one in the bundle, which is "
            f"code, start `{folder / 'run.py'}`, or say that it is trusted: "
            "`--trust` (`trust=True`)"
        )
    code = Code(places, hashes, advice)
    return {
        name: load_reader(code, entry["reader"], name in manifest["inputs"])
        for name, entry in entries.items()
    }


def load_reader(code: Code, file: str, is_input: bool):
    """Returns a reader, which must have the functions that are called."""
    try:
        module = code.load(file.removesuffix(".py"))
    except ImportError as error:
        refuse(f"`{file}`", "a file that imports what is there", error)
    needed = READER if is_input else ANSWERER
    if not all(hasattr(module, name) for name in needed):
        refuse(f"`{file}`", f"a file with {', '.join(needed)}", "one without")
    return module
