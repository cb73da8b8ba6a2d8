"""One sample of a prepared folder, by its id, without TensorFlow."""

from pathlib import Path
from typing import Any

import numpy as np

from mmkeras.arguments import hint
from mmkeras.artefact import check_file, read_manifest
from mmkeras.data.files.records import features_of, record_at
from mmkeras.data.ingest.places import PLACES, PlaceIndex
from mmkeras.data.stored import stored_dtype, to_model
from mmkeras.spec import DataSpec


class Samples:
    """The samples of a prepared folder, found by an index.

    Args:
        folder: Folder that `prepare` wrote.

    Raises:
        ValueError: If the folder has no index, or a damaged one.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        manifest = read_manifest(self.folder, "data", check_files=False)
        if PLACES not in manifest["files"]:
            raise ValueError(
                f"`{folder}` must hold the index `{PLACES}`. Received: a "
                "folder of an earlier version; `mmkeras prepare --restart` "
                "writes one"
            )
        check_file(self.folder, PLACES, manifest["files"][PLACES])
        self.spec = DataSpec.from_dict(manifest["spec"])
        self.places = PlaceIndex(self.folder)

    def __getitem__(self, name: str) -> dict[str, Any]:
        """Returns a sample as `read_sample` does."""
        shard, *place = self.places.get(name, ("", -1, 0, 0))
        if not shard:
            raise ValueError(
                f"`id` must be that of a sample in `{self.folder}`. Received: "
                f"{name!r}.{hint(str(name), list(self.places))}"
            )
        if place[0] < 0:
            raise ValueError(
                f"`id` must be that of a sample that was not left out. "
                f"Received: {name!r}, of which `quarantine.csv` tells why"
            )
        record = record_at(self.folder / shard, *place)
        found = {} if record is None else features_of(record)
        if found.get("sample/id") != name.encode():
            raise ValueError(
                f"`{self.folder / shard}` must hold the sample {name!r}. "
                "Received: damaged bytes in its place"
            )
        return {"split": shard.split("-")[0], **decoded(self.spec, found)}


def read_sample(folder: str | Path, id: str) -> dict[str, Any]:
    """Returns one sample of a prepared folder.

    Args:
        folder: Folder that `prepare` wrote.
        id: Of the sample, as `data.id_column` names it, or its row number.

    Returns:
        "split", its name; "x", what enters the model by modality, without
        the axis of the batch; "y" and "weights", by target. A modality that
        the sample lacks is not in "x".

    Raises:
        ValueError: If there is no such sample, or it is damaged.

    Example:

    >>> read_sample("demo", "0")["x"]["image"].shape
    (16, 16, 1)
    """
    return Samples(folder)[id]


def decoded(spec: DataSpec, features: dict[str, bytes]) -> dict[str, Any]:
    """Returns the arrays that a record of a shard holds: "x", "y", "weights".

    Args:
        spec: The spec it was prepared from.
        features: Its features, as bytes.
    """
    there = dict.fromkeys(spec.modalities, True)
    if spec.optional:
        present = np.frombuffer(features["present"], "<f4")
        there |= zip(spec.optional, present > 0, strict=True)
    x = {
        name: to_model(
            modality,
            _array(features[name], stored_dtype(modality), modality.shape),
        )
        for name, modality in spec.modalities.items()
        if there[name]
    }
    y = {
        name: _array(features[name], target.dtype, target.shape)
        for name, target in spec.targets.items()
    }
    weights = {
        name: _array(features[f"weight/{name}"], "f4", target.weight_shape)
        for name, target in spec.targets.items()
    }
    return {"x": x, "y": y, "weights": weights}


def _array(raw: bytes, dtype: Any, shape: tuple[int, ...]) -> np.ndarray:
    little = np.dtype(dtype).newbyteorder("<")
    # A copy, since an array over bytes cannot be changed.
    return np.frombuffer(raw, little).reshape(shape).copy()
