"""A small saved model, and the same with something wrong in it."""

import io
import json
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np

NAMES = ["metadata.json", "config.json", "model.weights.h5"]


def save_toy(path: Path) -> Path:
    """Saves a model with a nested one in it."""
    x = keras.Input((4,), name="x")
    y = keras.layers.Dense(3, name="inner_dense")(x)
    inner = keras.Model(x, y, name="inner")
    y = keras.layers.Dense(2, name="outer_dense")(inner(x))
    keras.Model({"x": x}, {"y": y}, name="toy").save(path)
    return path


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(path: Path, parts, compression=zipfile.ZIP_STORED) -> Path:
    """Writes an archive of `[(name or ZipInfo, bytes)]`."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in parts:
            archive.writestr(name, data)
    return path


def with_config(source: Path, path: Path, change) -> Path:
    """Copies a model; `change` edits its config in place."""
    parts = members(source)
    config = json.loads(parts["config.json"])
    change(config)
    parts["config.json"] = json.dumps(config).encode()
    return pack(path, [(name, parts[name]) for name in NAMES])


def with_weights(source: Path, path: Path, change) -> Path:
    """Copies a model; `change` edits the open HDF5 file of its weights."""
    parts = members(source)
    file = io.BytesIO(parts["model.weights.h5"])
    with h5py.File(file, "r+") as root:
        change(root)
    parts["model.weights.h5"] = file.getvalue()
    return pack(path, [(name, parts[name]) for name in NAMES])


def layer_of(config: dict, name: str) -> dict:
    """Returns the entry of a layer, also in the nested model."""
    waiting = [config]
    while waiting:
        layer = waiting.pop()
        if layer["config"]["name"] == name:
            return layer
        waiting += layer["config"].get("layers", [])
    raise LookupError(name)


def first_array(root: h5py.File) -> h5py.Dataset:
    found = []
    root.visititems(
        lambda name, item: (
            found.append(item)
            if isinstance(item, h5py.Dataset) and item.ndim == 2
            else None
        )
    )
    return found[0]


def random_x(count=3):
    draw = np.random.default_rng(0)
    return {"x": draw.normal(size=(count, 4)).astype("float32")}
