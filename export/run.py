"""Runs an mmkeras bundle with NumPy and ai-edge-litert, and nothing else.

    python run.py --image digit.png --audio digit.wav
    python run.py --samples samples.npz
    python run.py --microphone --camera

Each modality of the bundle is an option; one that is left out is absent. The
answer is JSON on standard output. A picture of another size is fitted by the
rule that the data were prepared by, where Pillow is there; what else is not
as the model was trained on it (rate, channels) is refused; each
`input_<kind>.py` says what it reads, and how. The last
command, and its siblings in `live.py`, answer until they are stopped.

As a module: `Runner("bundle").predict({"image": array})`.

The other files of code lie beside this one. Python does not look for them:
each is read once, compared with the hash in the manifest and then run, so a
changed file, or one of the same name elsewhere, never is.
"""

from __future__ import annotations

import builtins
import functools
import hashlib
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace

HERE = Path(__file__).absolute().parent
# What mmkeras writes, and how it is read: as `mmkeras/artefact` does.
FORMAT = 1
MAX_JSON_BYTES = 2**26
MAX_DEPTH = 64
# What a wrong input raises, too large ones as well.
FAULTS = ValueError, OSError, RuntimeError, ArithmeticError, MemoryError
_STRING = re.compile(rb'"[^"\\]*(?:\\.?[^"\\]*)*(?:"|\Z)', re.DOTALL)
_OTHER = bytes(set(range(256)) - set(b"[]{}"))
_ALIKE = bytes.maketrans(b"{}", b"[]")
_CAPITAL = re.compile(rb"(?<!\\)(?:\\\\)*\\u[0-9a-f]{0,3}[A-F]")


def printable(text: str) -> str:
    """Returns a text with all that steers a terminal spelled out.

    As `mmkeras/escaping.py` does, for names in the manifest of a stranger.
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode()
        for c in text
    )


def read_json(path: Path) -> object:
    """Returns the value of a JSON file: bounded, and with no key twice."""
    with open(path, "rb") as file:
        data = file.read(MAX_JSON_BYTES + 1)
    if len(data) > MAX_JSON_BYTES or _is_deep(data):
        raise ValueError(
            f"`{path}` must be JSON of at most {MAX_JSON_BYTES:,} bytes and "
            f"{MAX_DEPTH} levels. Received: more"
        )
    try:
        if b"\\u" in data and _CAPITAL.search(data):
            raise ValueError("an escape in capitals")
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_float=_float,
            parse_constant=_constant,
        )
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"`{path}` must be JSON written by mmkeras. Received: a file that "
            f"is not ({type(error).__name__}: {error})"
        ) from None


def _is_deep(data: bytes) -> bool:
    left = _STRING.sub(b"", data).translate(_ALIKE, _OTHER)
    for _ in range(MAX_DEPTH):
        if b"[" * (MAX_DEPTH + 1) in left:
            return True
        before, left = len(left), left.replace(b"[]", b"")
        if len(left) == before:
            break
    return b"[]" in left or len(left) > MAX_DEPTH


def _object(pairs: list) -> dict:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} twice")
    return found


def _float(text: str) -> float:
    value = float(text)
    if repr(value) != text:
        raise ValueError(f"{text[:40]} for {value}")
    return value


def _constant(text: str) -> float:
    raise ValueError(f"{text}, which is no number")


def is_proven(manifest: object, path: Path) -> bool:
    """Compares a manifest with its own hash; False for an older one's none."""
    if not isinstance(manifest, dict):
        kind = type(manifest).__name__
        raise ValueError(f"`{path}` must hold a table. Received: {kind}")
    number, digest = manifest.get("format"), manifest.get("sha256")
    if "format" not in manifest and "sha256" not in manifest:
        return False
    if type(number) is not int or not 1 <= number <= FORMAT:
        versions = manifest.get("versions")
        writer = versions.get("mmkeras") if isinstance(versions, dict) else 0
        raise ValueError(
            f"`{path}` must be of a format from 1 to {FORMAT}, which this "
            f"run.py reads. Received: format {number!r}, of mmkeras "
            f"{str(writer or 'unknown')[:40]!r}; use the run.py beside it"
        )
    fields = {key: v for key, v in manifest.items() if key != "sha256"}
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    found = hashlib.sha256(text.encode("ascii")).hexdigest()
    if digest != found:
        raise ValueError(
            f"`{path}` is not the manifest that was written: its own `sha256` "
            f"is {str(digest)[:16]!r}. Received: {found[:16]!r}"
        )
    return True


class Code:
    """Files of Python that import each other by their plain names.

    Args:
        folders: Where a file may lie; the first one that is as listed counts.
        hashes: SHA-256 by name of the file; None trusts what lies there.
        advice: What an error says of a file that is not as listed.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        hashes: dict[str, str] | None,
        advice: str = "",
    ):
        self.folders, self.hashes, self.advice = folders, hashes, advice
        shown = Code, printable, read_json, is_proven
        named = {each.__name__: each for each in shown}
        self.modules = {"run": SimpleNamespace(HERE=HERE, **named)}
        self._builtins = {**vars(builtins), "__import__": self._import}

    def load(self, name: str) -> ModuleType:
        """Returns the module `name`, run when it is first asked for."""
        if name in self.modules:
            return self.modules[name]
        path, data, digest = self._read(f"{name}.py")
        module = ModuleType(f"mmkeras_{digest[:16]}_{name}")
        module.__file__ = str(path)
        module.__builtins__ = self._builtins
        # Some of Python's own modules look a class's module up there.
        self.modules[name] = sys.modules[module.__name__] = module
        exec(compile(data, path, "exec", dont_inherit=True), vars(module))
        return module

    def _read(self, name: str) -> tuple[Path, bytes, str]:
        """Reads a file once: what is hashed is what is run."""
        expected, found = (self.hashes or {}).get(name), "no such file"
        for folder in self.folders:
            path = folder / name
            if not path.is_file() or path.is_symlink():
                continue
            data = path.read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            if self.hashes is None or digest == expected:
                return path, data, digest
            found = digest[:16]
        raise ValueError(
            f"`{self.folders[0] / name}` must be the file with sha256 "
            f"{(expected or 'of the manifest')[:16]}{self.advice}. "
            f"Received: {found}"
        )

    def _import(self, name, scope=None, local=None, wanted=(), level=0):
        """What `import` does in these files: they come before all others."""
        file = f"{name}.py"
        if name in self.modules or file in (self.hashes or {}):
            return self.load(name)
        here = (folder / file for folder in self.folders)
        if self.hashes is None and any(path.is_file() for path in here):
            return self.load(name)
        return builtins.__import__(name, scope, local, wanted, level)


@functools.cache
def own() -> Code:
    """Returns the code beside this file, checked if a manifest is there."""
    path, hashes = HERE / "manifest.json", None
    if path.is_file():
        manifest = read_json(path)
        if not is_proven(manifest, path):
            raise ValueError(
                f"`{path}` must have a hash of its own, as all do that are "
                "written with this run.py. Received: none"
            )
        try:
            files = manifest["files"].items()
            hashes = {name: entry["sha256"] for name, entry in files}
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"`{path}` must list files with their hashes. Received: "
                f"{type(error).__name__}: {error}"
            ) from None
    return Code([HERE], hashes)


def __getattr__(name: str) -> type:
    """Finds `Runner` when it is asked for: a damaged manifest ends `main`."""
    if name != "Runner":
        raise AttributeError(f"module `run` has no attribute {name!r}")
    return own().load("runner").Runner


def main(arguments: list[str]) -> int:
    """Answers on the command line; returns the exit code."""
    try:
        own().load("command").answer(arguments)
    except KeyboardInterrupt:
        pass
    except FAULTS as error:
        text = str(error) or type(error).__name__
        print(f"error: {printable(text)}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
