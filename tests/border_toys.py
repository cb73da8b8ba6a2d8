"""A bundle with every kind of input, and today's runner, in half a second.

Its model is the one that `tests/golden` keeps, so that nothing is trained.
"""

import atexit
import contextlib
import functools
import hashlib
import importlib.util
import io
import json
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np

import mmkeras.kinds  # noqa: F401  they register themselves
from mmkeras import artefact
from mmkeras.spec import MODALITIES, TARGETS

ROOT = Path(__file__).parents[1]
EXPORT = ROOT / "export"


@functools.cache
def scratch() -> Path:
    """A folder that goes away with the process."""
    folder = Path(tempfile.mkdtemp(prefix="border-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def bundle() -> Path:
    """The golden bundle with today's code."""
    with tarfile.open(ROOT / "tests" / "golden" / "bundle.tar.xz") as file:
        file.extractall(scratch(), filter="data")
    folder = scratch() / "bundle"
    manifest = json.loads((folder / "manifest.json").read_text())
    for path in folder.glob("*.py"):
        path.unlink()
    for path in EXPORT.glob("*.py"):
        if path.name != "subwords.py":
            shutil.copy(path, folder)
    for role, kinds, entries in (
        ("input", MODALITIES, manifest["inputs"]),
        ("output", TARGETS, manifest["outputs"]),
    ):
        for entry in entries.values():
            kind = kinds.known[entry["kind"]]
            entry["reader"] = f"{role}_{entry['kind']}.py"
            shutil.copy(kind.device_path(), folder / entry["reader"])
            for name, path in kind.device_shared().items():
                shutil.copy(path, folder / name)
    seal(folder, manifest)
    return folder


def seal(folder: Path, manifest: dict) -> None:
    """Writes a manifest that fits the files and itself, whatever it says.

    `write_manifest` would refuse what no mmkeras writes.
    """
    there = sorted(p.name for p in folder.iterdir())
    there = [name for name in there if name != "manifest.json"]
    fields = {"command": "", **manifest, "format": 1}
    fields["files"] = artefact.describe_files(folder, there)
    fields.pop("sha256", None)
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    fields["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(fields, indent=2))


def load(path: Path):
    """A module that is no part of a package."""
    spec = importlib.util.spec_from_file_location(f"border_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def run():
    """The `run.py` of the bundle."""
    return load(bundle() / "run.py")


@functools.cache
def runner():
    return run().Runner(bundle())


def reader(name: str):
    """The reader of an input, and what the manifest says of it."""
    return runner().readers[name], runner().inputs[name]


def samples(count: int = 3, seed: int = 0) -> dict[str, np.ndarray]:
    """Samples that the bundle answers."""
    rng = np.random.default_rng(seed)
    found = {"present": rng.integers(0, 2, (count, 2)).astype("float32")}
    for name, entry in runner().inputs.items():
        shape = (count, *entry["shape"])
        if entry["dtype"] == "float32":
            found[name] = rng.uniform(-1, 1, shape).astype("float32")
        else:
            found[name] = rng.integers(2, 30, shape).astype(entry["dtype"])
    return found


def line(**changes) -> dict:
    """A request that the bundle answers, as JSON has it."""
    found = {k: v[0].tolist() for k, v in samples(1).items() if k != "present"}
    return {**found, **changes}


def ask(*options, stdin: bytes = b"") -> SimpleNamespace:
    """Runs `main` of the bundle here, as a command."""
    out, error, before = io.StringIO(), io.StringIO(), sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin))
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            try:
                code = run().main([str(option) for option in options])
            except SystemExit as done:
                code = done.code
    finally:
        sys.stdin = before
    return SimpleNamespace(
        code=code, out=out.getvalue(), error=error.getvalue()
    )


def refused(done: SimpleNamespace) -> str:
    """Asserts that nothing was answered and one line says why."""
    assert done.code == 2 and done.out == "", done
    assert done.error.startswith("error: "), done.error
    assert done.error.count("\n") == 1, done.error
    assert done.error[:-1].isprintable()
    return done.error
