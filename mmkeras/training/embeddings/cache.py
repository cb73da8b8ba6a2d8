"""Outputs of frozen towers cached on disk: an epoch runs no tower."""

import hashlib
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mmkeras import artefact
from mmkeras.training.embeddings.files import dataset_of, write_split
from mmkeras.training.embeddings.submodels import embedding_model
from mmkeras.training.trainable.single_towers import modalities, tower_of

KIND = "embeddings"


class Embeddings:
    """Cached data: `train` and `validation` for a `fusion_model`.

    A batch is `({modality: packed}, {target: y}, {target: sample_weight})`,
    with `present` where the data have it. Samples are read from disk in
    another order each epoch; with several passes (augmentations), each epoch
    reads one of them, drawn by the seed.

    Args:
        folder: What `cache_embeddings` wrote.
        manifest: Its manifest, checked.
        seed: Seed of the order.
    """

    def __init__(self, folder: str | Path, manifest: dict, seed: int = 0):
        self.folder = Path(folder)
        self.manifest = manifest
        splits = manifest["splits"]
        self.train = dataset_of(self.folder, splits["train"], seed)
        self.validation = None
        if splits["validation"]:
            self.validation = dataset_of(self.folder, splits["validation"])


def cache_embeddings(
    whole: keras.Model,
    data: Any,
    folder: str | Path,
    passes: int = 1,
    seed: int = 0,
) -> Embeddings:
    """Caches the outputs of the towers of `whole` for every sample.

    The towers run in inference mode, a batch at a time, and only what fusion
    and heads read is kept: the vectors, or the tokens too. An older cache in
    `folder` is replaced.

    Args:
        whole: Functional model with a layer `<modality>_tower` a modality.
        data: Has `train` and `validation` (or None), as `load_data` returns.
        folder: Where to write.
        passes: How often `train` is read; more than once keeps as many
            augmentations of each sample.
        seed: Seed of the order in which the samples will be read.

    Returns:
        Data for `fusion_model(whole)`.

    Raises:
        OSError: If the disk has no room, before anything is written.
        ValueError: If a pass over `train` differs in its number of samples.

    Example:

    >>> cached = cache_embeddings(model, data, "cache", passes=2)
    >>> fused = fusion_model(model)
    >>> fused.compile("adam", losses(heads))
    >>> fused.fit(cached.train, validation_data=cached.validation, epochs=20)
    """
    folder = Path(folder)
    towers = embedding_model(whole)
    names = [f"train-{number}.bin" for number in range(passes)]
    ours = [*names, "validation.bin"]
    with artefact.open_out(folder, KIND, names=ours) as folder:
        with artefact.writing(folder, "the embeddings"):
            # First, so that a cache written in part is not taken for complete.
            (folder / artefact.MANIFEST).unlink(missing_ok=True)
        entries = [
            write_split(folder / name, towers, data.train, passes - number)
            for number, name in enumerate(names)
        ]
        if any(entry != entries[0] for entry in entries):
            raise ValueError(
                "Every pass over `data.train` must have the same samples. "
                f"Received: {[entry['count'] for entry in entries]} samples"
            )
        splits = {"train": {**entries[0], "files": names}, "validation": None}
        if data.validation is not None:
            name = "validation.bin"
            entry = write_split(folder / name, towers, data.validation)
            splits["validation"] = {**entry, "files": [name]}
            names = [*names, name]
        with artefact.writing(folder, "the embeddings"):
            manifest = artefact.write_manifest(
                folder, KIND, names, splits=splits, **_identity(whole, data)
            )
        return Embeddings(folder, manifest, seed)


def open_embeddings(
    folder: str | Path, whole: keras.Model, data: Any, seed: int = 0
) -> Embeddings:
    """Opens a cache again; refuses one of other towers or other data.

    Raises:
        ValueError: If it is stale, damaged, or no cache.
    """
    manifest = artefact.read_manifest(folder, KIND)
    for key, value in _identity(whole, data).items():
        if manifest.get(key) != value:
            raise ValueError(
                f"`{folder}` must hold the outputs of these towers on these "
                "data. "
                f"Received: `{key}` {str(manifest.get(key))[:16]}, not "
                f"{str(value)[:16]}; write it again with `cache_embeddings`"
            )
    return Embeddings(folder, manifest, seed)


def towers_sha256(whole: keras.Model) -> str:
    """Returns the SHA-256 of the weights of all towers."""
    digest = hashlib.sha256()
    for name in modalities(whole):
        for weight in tower_of(whole, name).weights:
            value = keras.ops.convert_to_numpy(weight)
            digest.update(f"{name} {value.shape} {value.dtype}".encode())
            digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()


def _identity(whole: keras.Model, data: Any) -> dict[str, str | None]:
    """Returns what a cache depends on; a toy's data have no hash."""
    files = getattr(data, "manifest", {}).get("files")
    text = None if files is None else repr(sorted(files.items()))
    return {
        "towers_sha256": towers_sha256(whole),
        "data_sha256": text and hashlib.sha256(text.encode()).hexdigest(),
        "labels_sha256": getattr(getattr(data, "labels", None), "sha256", None),
    }
