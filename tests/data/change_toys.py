"""Twenty pictures with a number and a label, and the spec that reads them."""

import numpy as np
import pandas as pd
from PIL import Image

from mmkeras.spec import DataSpec

SPEC = {
    "name": "change",
    "data": {"id_column": "id", "max_bad_fraction": 0.2},
    "split": {"train": 0.6, "validation": 0.2, "test": 0.2},
    "modalities": {
        "image": {"kind": "image", "column": "image", "height": 4,
                  "width": 4, "channels": 1},
        "table": {"kind": "vector", "columns": ["v"]},
    },
    "targets": {"color": {"kind": "category", "column": "color",
                          "classes": ["black", "white"]}},
}  # fmt: skip


def draw(path, shade):
    Image.fromarray(np.full((4, 4), shade, np.uint8)).save(path)


def write(root, rows=20):
    root.mkdir(exist_ok=True)
    for index in range(rows):
        draw(root / f"{index}.png", 10 * index)
    pd.DataFrame(
        {
            "id": [f"s{i}" for i in range(rows)],
            "image": [f"{i}.png" for i in range(rows)],
            "v": range(rows),
            "color": [["black", "white"][i % 2] for i in range(rows)],
        }
    ).to_csv(root / "manifest.csv", index=False)


def spec_of(root, **data):
    table = {**SPEC["data"], "root": str(root), **data}
    return DataSpec.from_dict({**SPEC, "data": table})
