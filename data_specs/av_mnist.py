"""Builds av_mnist: poor pictures of digits, with spectrograms of spoken ones.

After Vielzeuf et al., "CentralNet", 2018, arXiv 1808.07275; the files are
those of MultiBench (Liang et al., 2021, arXiv 2107.07502): pictures of MNIST
(CC BY-SA 3.0) of which the projection on few principal components is left, and
spectrograms of 112 by 112 of spoken digits among noise, of whose licence
MultiBench says nothing. The split is MultiBench's: 55,000 train, the last
5,000 of the training files validate, 10,000 test.

Pictures and spectrograms become PNG files of 8 bits; values outside of 0 to
255, which the projection leaves, are cut and counted.
"""

import sys
from collections import Counter
from pathlib import Path

import builder
import numpy as np
from PIL import Image

SIZES = {"image": (28, 28), "audio": (112, 112)}
# How many of the training files, at their end, validate.
VALIDATES = 5000


def build(source: Path, folder: Path) -> int:
    """Writes the files and the manifest; returns the number of pairs."""
    rows, cut = [], Counter()
    for part in ("train", "test"):
        labels = read(source / f"{part}_labels.npy", None, ())
        values = {
            name: read(source / name / f"{part}_data.npy", len(labels), size)
            for name, size in SIZES.items()
        }
        for place, label in enumerate(labels.astype(int)):
            row = {"id": f"{part}_{place:05}", "digit": int(label)}
            for name, found in values.items():
                row[name] = f"{name}/{row['id']}.png"
                pixels = np.rint(found[place].reshape(SIZES[name]))
                outside = (pixels < 0) | (pixels > 255)
                cut[f"values of `{name}` cut"] += int(outside.sum())
                (folder / name).mkdir(exist_ok=True)
                Image.fromarray(np.clip(pixels, 0, 255).astype("uint8")).save(
                    folder / row[name]
                )
            validates = part == "train" and place >= len(labels) - VALIDATES
            rows.append({**row, "split": "validation" if validates else part})
    builder.tell(cut)
    return builder.write_manifest(folder, rows)


def read(path: Path, count: int | None, size: tuple) -> np.ndarray:
    """Reads an array `(count, *size)`, or with its last axes as one."""
    try:
        # Gigabytes: read a sample at a time.
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError) as error:
        raise ValueError(
            f"`{path}` must be an array. Received: {error}"
        ) from None
    if found.shape[:1] != (count or len(found),) or (
        np.prod(found.shape[1:]) != np.prod(size, dtype=int)
    ):
        raise ValueError(
            f"`{path}` must have the shape {(count or 'samples', *size)}. "
            f"Received: {found.shape}"
        )
    return found


BUILDER = builder.Builder(
    name="av_mnist",
    source="image/ and audio/, with train_data.npy and test_data.npy each, "
    "train_labels.npy and test_labels.npy",
    home="https://github.com/pliang279/MultiBench",
    build=build,
)

if __name__ == "__main__":
    sys.exit(builder.main(BUILDER))
