"""Runs an mmkeras bundle with NumPy and ai-edge-litert, and nothing else.

    python run.py --image digit.png --audio digit.wav
    python run.py --samples samples.npz
    python run.py --microphone --camera

Each modality of the bundle is an option; one that is left out is absent. The
answer is JSON on standard output. An input that is not what the model was
trained on (size, rate, channels) is refused: nothing is resized, resampled or
mixed here; each `input_<kind>.py` says what it reads, and how. The last
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
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace

HERE = Path(__file__).absolute().parent


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
        self.modules = {"run": SimpleNamespace(Code=Code, HERE=HERE)}
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
        try:
            files = json.loads(path.read_text(encoding="utf-8"))["files"]
            hashes = {name: entry["sha256"] for name, entry in files.items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"`{path}` must be a manifest written by mmkeras. Received: "
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
    except (ValueError, OSError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
