"""A small source of avdigits, and a builder run without a process."""

import gzip
from pathlib import Path

import builder
import numpy as np

RECORDINGS, PICTURES = 150, 500


def run(script, *arguments: object) -> int:
    """Runs a builder as its command line does; returns the exit code."""
    return builder.main(script.BUILDER, [str(a) for a in arguments])


def write_idx(path: Path, values: np.ndarray) -> None:
    """Writes a gzipped IDX file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    head = bytes([0, 0, 8, values.ndim])
    head += np.array(values.shape, ">u4").tobytes()
    path.write_bytes(gzip.compress(head + values.tobytes()))


def write_source(folder: Path) -> Path:
    """Writes 150 empty recordings and 500 black pictures."""
    (folder / "fsdd").mkdir(parents=True)
    for index in range(RECORDINGS):
        (folder / "fsdd" / f"{index % 10}_x_{index // 10}.wav").touch()
    labels = (np.arange(PICTURES) % 10).astype(np.uint8)
    write_idx(folder / "mnist" / "t10k-labels-idx1-ubyte.gz", labels)
    images = np.zeros((PICTURES, 28, 28), np.uint8)
    write_idx(folder / "mnist" / "t10k-images-idx3-ubyte.gz", images)
    return folder
