"""Loading a saved model, with nothing trusted that was not checked."""

from pathlib import Path

import keras

# Loading needs every layer of the package to be registered.
from mmkeras import artefact, fusion, heads, towers  # noqa: F401

MAX_MODEL_BYTES = 4_000_000_000


def load_model(path: str | Path) -> keras.Model:
    """Loads a `.keras` model, with every layer of mmkeras known.

    Args:
        path: A `.keras` file, or the folder of a run. Where a
            `manifest.json` lies beside the file, size and SHA-256 are
            compared before the file is opened.

    Raises:
        ValueError: If the file is of another type, differs from what its
            manifest says, or cannot be read as a model.
    """
    path = Path(path)
    if path.is_dir() and (path / artefact.MANIFEST).is_file():
        path = path / "model.keras"
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
    _check_against_manifest(path)
    try:
        return keras.saving.load_model(path, compile=False)
    except (ValueError, TypeError, KeyError, OSError) as error:
        # Keras wraps the cause in the whole config, once a level.
        cause = str(error).rpartition("Exception encountered: ")[2]
        reason = cause.strip().splitlines()[0][:300]
        raise ValueError(
            f"`{path}` must be a model saved by Keras. Received: a file it "
            f"refuses ({type(error).__name__}: {reason})"
        ) from error


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
