"""The manifest of a bundle, and whether its files are as it says."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

from run import HERE, Code, is_proven, read_json
from validation import refuse, sha256_of

MANIFEST = "manifest.json"
# What must be there, and of which type: a table of named fields, of any
# names ("*"), or a list of such. What is called "name?" may be left out.
SCHEMA = {
    "kind": str,
    "name?": str,
    "spec_sha256?": str,
    "versions": {"*": str},
    "command": str,
    "files": {"*": {"bytes": int, "sha256": str}},
    "model": {"file": str, "format": str, "signature": str, "quantize?": str},
    "inputs": {
        "*": {"kind": str, "shape": [int], "dtype": str, "optional": bool}
    },
    "streams?": {"*": {"signature": str, "step": int}},
    "present": [str],
    "outputs": {"*": {"kind": str}},
}
# What every file that reads an input, or answers for an output, must have.
READER, ANSWERER = ("read",), ("shape", "answer")


@contextlib.contextmanager
def understood(folder: Path) -> Iterator[None]:
    """Turns what a manifest lacks into one line about the manifest."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, UnicodeError) as error:
        what = f"{type(error).__name__}: {error}"
        refuse(f"`{folder / MANIFEST}`", "a manifest written by mmkeras", what)


def read_manifest(folder: Path) -> dict:
    """Returns the manifest of a bundle whose files are all as it says."""
    path = folder / MANIFEST
    if not path.is_file():
        refuse(f"`{folder}`", "a bundle", f"no {MANIFEST} in it")
    manifest = read_json(path)
    proven = is_proven(manifest, path)
    if manifest.get("kind") != "bundle":
        refuse(f"`{path}`", "of kind bundle", repr(manifest.get("kind")))
    check_schema(manifest, SCHEMA, path)
    if not proven:
        strange = set(manifest["present"]) - set(manifest["inputs"])
        if strange:
            names = f"the inputs {sorted(manifest['inputs'])}"
            refuse(f"`present` in `{path}`", f"among {names}", sorted(strange))
        warnings.warn(
            f"`{path}` was written by an earlier mmkeras, without a hash of "
            "its own: damage to it cannot be seen. Export the run again",
            stacklevel=2,
        )
    for name, entry in manifest["files"].items():
        check_file(folder / name, name, entry["sha256"])
    check_listed(folder, manifest, [manifest["model"]["file"], "labels.json"])
    check_labels(folder / "labels.json", manifest)
    return manifest


def check_schema(value: object, schema: object, path: Path, field: str = ""):
    """Raises ValueError, with the field, unless a value is as it must be."""
    kind = schema if isinstance(schema, type) else type(schema)
    # To Python, True is a number.
    if type(value) is not kind:
        what = f"`{repr(field)[1:-1] or 'all'}` in `{path}`"
        refuse(what, kind.__name__, repr(value)[:80])
    if kind is list:
        for place, part in enumerate(value):
            check_schema(part, schema[0], path, f"{field}.{place}")
    elif kind is dict:
        for key, inner in schema.items():
            name = key.removesuffix("?")
            place = f"{field}.{name}".removeprefix(".")
            if key == "*":
                for each, part in value.items():
                    check_schema(part, inner, path, f"{field}.{each}")
            elif name in value:
                check_schema(value[name], inner, path, place)
            elif name == key:
                refuse(f"`{path}`", f"a manifest with `{place}`", "one without")


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
    labels = read_json(path)
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
