"""A prepared data set of two small tables, to train many models on."""

import csv

import numpy as np

from mmkeras.data import prepare
from mmkeras.spec import DataSpec

COLUMNS = ("a", "b", "c")
KINDS = ("ash", "elm", "oak")
# What a model needs to learn it in seconds.
RECIPE = {
    "towers": {"left": {"units": 8}, "right": {"units": 8}},
    "fusion": {"method": "concat", "units": 8},
    "training": {
        "batch_size": 32,
        "learning_rate": 0.02,
        "tensorboard": False,
        "checkpoints": 0,
        "epochs": 3,
    },
}


def two_tables(folder, samples=300, noise=0.7, numbers=False):
    """Prepares the data in `folder / "data"`; returns that folder."""
    random = np.random.default_rng(0)
    kinds = random.integers(0, 3, samples)
    centres = random.normal(size=(3, 6))
    cells = centres[kinds] + noise * random.normal(size=(samples, 6))
    header = [f"{side}_{c}" for side in ("left", "right") for c in COLUMNS]
    rows = [[*header, "kind", "size"]]
    for row, kind in zip(cells, kinds, strict=True):
        size = f"{row[0] + 2 * row[3]:.4f}"
        rows.append([*(f"{x:.5f}" for x in row), KINDS[kind], size])
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "manifest.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    targets = {
        "kind": {"kind": "category", "column": "kind", "classes": list(KINDS)}
    }
    if numbers:
        targets["size"] = {"kind": "number", "column": "size"}
    spec = DataSpec.from_dict(
        {
            "name": "trees",
            "data": {"root": str(folder)},
            "split": {"train": 0.6, "validation": 0.2, "test": 0.2},
            "modalities": {
                side: {
                    "kind": "vector",
                    "columns": [f"{side}_{c}" for c in COLUMNS],
                }
                for side in ("left", "right")
            },
            "targets": targets,
        }
    )
    prepare(spec, folder / "data", workers=1)
    return folder / "data"
