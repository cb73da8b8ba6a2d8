"""Loads a saved model, treated as untrusted."""

import contextlib
import functools
import math
import threading
from collections.abc import Iterator
from pathlib import Path

import keras

from mmkeras import artefact, fusion, heads, towers  # noqa: F401

# Loading needs every layer of the package to be registered.
from mmkeras.escaping import printable
from mmkeras.model.inspect import (
    MAX_MODEL_BYTES,
    inspect_model,
)
from mmkeras.spec import MODALITIES, TARGETS

# Numbers a model may make beyond those stored, such as states of a seed.
SPARE_WEIGHTS = 100_000
_one_at_a_time = threading.RLock()


def load_model(path: str | Path) -> keras.Model:
    """Loads a `.keras` model, with every layer of mmkeras known.

    The file is checked before Keras parses it: only known layers, no
    code, no links, no sizes that are declared and not stored. Layers of your
    own load once they are registered; those of a kind of your own once that
    is (see `Kind.load_layers`).

    Args:
        path: A `.keras` file, or the folder of a run. Where a
            `manifest.json` lies beside the file, size and SHA-256 are
            compared before the file is opened.

    Raises:
        ValueError: If the file is of another type, differs from what its
            manifest has, holds more than a model, or cannot be read as a model.
    """
    path = Path(path)
    if path.is_dir() and (path / artefact.MANIFEST).is_file():
        path = path / "model.keras"
    _check_type(path)
    _check_against_manifest(path)
    for kind in (*MODALITIES.known.values(), *TARGETS.known.values()):
        kind.load_layers()
    stored = inspect_model(path)
    try:
        with bounded_weights(stored + SPARE_WEIGHTS):
            return keras.saving.load_model(path, compile=False)
    # A config that is wrong can make a layer raise anything.
    except Exception as error:
        # Keras wraps the cause in the whole config, once a level.
        cause = str(error).rpartition("Exception encountered: ")[2]
        reason = printable((cause.strip().splitlines() or [""])[0][:400])
        raise ValueError(
            f"`{path}` must be a model saved by Keras. Received: a file it "
            f"refuses ({type(error).__name__}: {reason})"
        ) from error


@contextlib.contextmanager
def bounded_weights(limit: int) -> Iterator[None]:
    """Limits the weights made in this context to `limit` numbers.

    A small file may declare huge weights. Keras allocates what the config
    declares before it reads what is stored, and has no hook before that.
    """
    make = keras.Variable.__init__
    left = limit
    thread = threading.get_ident()

    @functools.wraps(make)
    def counted(self, initializer, shape=None, *args, **kwargs):
        nonlocal left
        if threading.get_ident() == thread and shape is not None:
            left -= math.prod(shape)
            if left < 0:
                raise ValueError(
                    f"it declares a weight of shape {tuple(shape)}, and "
                    "stores less"
                )
        make(self, initializer, shape, *args, **kwargs)

    with _one_at_a_time:
        keras.Variable.__init__ = counted
        try:
            yield
        finally:
            keras.Variable.__init__ = make


def _check_type(path: Path) -> None:
    if path.is_symlink() or not path.is_file() or path.suffix != ".keras":
        what = (
            "a link"
            if path.is_symlink()
            else "a folder"
            if path.is_dir()
            else f"a `{path.suffix}` file"
            if path.is_file()
            else "nothing there"
        )
        raise ValueError(
            f"`{path}` must be a `.keras` file, or the folder of a run. "
            f"Received: {what}. Accepted: .keras (pickles, HDF5, SavedModel "
            "and checkpoints can run code or be read in part)"
        )
    if path.stat().st_size > MAX_MODEL_BYTES:
        raise ValueError(
            f"`{path}` must have at most {MAX_MODEL_BYTES:,} bytes. "
            f"Received: {path.stat().st_size:,}"
        )


def _check_against_manifest(path: Path) -> None:
    if not (path.parent / artefact.MANIFEST).is_file():
        return
    manifest = artefact.read_manifest(path.parent, check_files=False)
    if path.name not in manifest["files"]:
        raise ValueError(
            f"`{path}` must be listed in the `{artefact.MANIFEST}` beside it. "
            f"Received: a file it does not name"
        )
    artefact.check_file(path.parent, path.name, manifest["files"][path.name])
