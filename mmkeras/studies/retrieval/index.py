"""An exact index of nearest neighbours by cosine."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmkeras import artefact
from mmkeras.arguments import check_choice

VECTORS, SCALES, IDS = "vectors.npy", "scales.npy", "ids.json"
DTYPES = ("float32", "int8")
# Similarities held at once, 4 bytes each; and items, which fit a cache.
CHUNK, ROWS = 8_000_000, 65_536


class Index:
    """Exact nearest neighbours by cosine, out of memory or a mapped file.

    Good up to about a million items: every query is compared with all of
    them, by one product of matrices, and nothing is missed. `int8` takes a
    quarter of the space; it is slower, and its similarities are off by less
    than 0.01.

    Args:
        vectors: `(items, units)`; they are brought to length 1.
        ids: Of the items, texts.
        dtype: "float32" or "int8".

    Raises:
        ValueError: If a vector is not finite or has no length, or the numbers
            of vectors and ids differ.

    Example:

    >>> index = Index(vectors, data.ids("train"))
    >>> index.search(vectors[:1], k=3)
    (array([['s12', 's7', 's430']]), array([[1., 0.93, 0.92]]))
    """

    def __init__(
        self, vectors: np.ndarray, ids: Sequence[str], dtype: str = "float32"
    ):
        check_choice("dtype", dtype, DTYPES)
        vectors = np.asarray(vectors)
        if vectors.ndim != 2 or not len(vectors) or len(vectors) != len(ids):
            raise ValueError(
                "`vectors` must be (items, units), with an id for each item. "
                f"Received: shape {vectors.shape} and {len(ids)} ids"
            )
        self.vectors, self.scales = _unit(vectors), None
        self.ids = np.array(list(map(str, ids)))
        if dtype == "int8":
            self.scales = np.abs(self.vectors).max(axis=1) / 127
            whole = np.rint(self.vectors / self.scales[:, None])
            self.vectors = whole.astype(np.int8)

    def __len__(self) -> int:
        return len(self.ids)

    def search(
        self, queries: np.ndarray, k: int = 10
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the ids of the k nearest items, and their cosines.

        Args:
            queries: `(queries, units)`, of any length.
            k: How many; fewer where there are fewer.

        Returns:
            Two arrays `(queries, k)`, the nearest first; of equal ones, the
            one that was put in first.
        """
        queries = _unit(np.asarray(queries))
        if k < 1 or queries.shape[1] != self.vectors.shape[1]:
            raise ValueError(
                "`k` must be positive, and `queries` (queries, "
                f"{self.vectors.shape[1]}). Received: k={k} and shape "
                f"{queries.shape}"
            )
        best = np.zeros((len(queries), 0), "float32")
        places = np.zeros((len(queries), 0), int)
        step = max(k, min(ROWS, CHUNK // len(queries)))
        for start in range(0, len(self), step):
            near = self._cosines(queries, slice(start, start + step))
            found = np.arange(start, start + near.shape[1])
            found = np.broadcast_to(found, near.shape)
            near = np.concatenate([best, near], axis=1)
            found = np.concatenate([places, found], axis=1)
            best, places = _nearest(near, found, k)
        return self.ids[places], best

    def _cosines(self, queries: np.ndarray, rows: slice) -> np.ndarray:
        part = self.vectors[rows]
        if self.scales is None:
            return queries @ part.T
        return queries @ part.astype("float32").T * self.scales[rows]

    def save(self, folder: str | Path, **fields: Any) -> dict:
        """Writes the index; the manifest is last.

        Args:
            folder: Created where it is missing.
            **fields: Further entries of the manifest; `files` are further
                files of the index, by name, which are copied.

        Returns:
            The manifest.
        """
        beside = fields.pop("files", {})
        arrays = {VECTORS: self.vectors}
        if self.scales is not None:
            arrays[SCALES] = self.scales
        files = [*arrays, IDS, *beside]
        with artefact.replacing(folder, "index", files) as new:
            for name, array in arrays.items():
                with artefact.atomic(new / name) as temporary:
                    np.save(temporary, array, allow_pickle=False)
            artefact.write_json(new / IDS, self.ids.tolist())
            for name, source in beside.items():
                artefact.copy_file(source, new / name)
            return artefact.write_manifest(
                new, "index", files, dtype=str(self.vectors.dtype),
                count=len(self), units=self.vectors.shape[1], **fields,
            )  # fmt: skip

    @classmethod
    def load(cls, folder: str | Path) -> "Index":
        """Opens an index; its vectors stay in the file.

        Raises:
            ValueError: If a file is not what the manifest says.
        """
        folder = Path(folder)
        manifest = artefact.read_manifest(folder, "index")
        found = cls.__new__(cls)
        names = {VECTORS, SCALES, IDS} & set(manifest["files"])
        arrays = {
            name: np.load(folder / name, mmap_mode="r", allow_pickle=False)
            for name in names - {IDS}
        }
        found.vectors, found.scales = arrays[VECTORS], arrays.get(SCALES)
        found.ids = np.array(artefact.read_json(folder / IDS))
        return found


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Returns float32 vectors of length 1."""
    vectors = vectors.astype("float32")
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    good = np.isfinite(length) & (length > 0)
    if not good.all():
        raise ValueError(
            "Every vector must be finite and longer than 0. Received: "
            f"{int((~good).sum())} that are not, the first in row "
            f"{int(np.flatnonzero(~good)[0])}"
        )
    return vectors / length


def _nearest(
    near: np.ndarray, places: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the k largest of each row in order, and their places."""
    if near.shape[1] > k:
        last = -np.partition(-near, k - 1, axis=1)[:, k - 1 : k]
        # Of those as near as the k-th, the first: they stand in order.
        tied = near == last
        spare = k - (near > last).sum(axis=1, keepdims=True)
        kept = (near > last) | (tied & (tied.cumsum(axis=1) <= spare))
        near, places = near[kept].reshape(-1, k), places[kept].reshape(-1, k)
    order = np.lexsort((places, -near), axis=1)
    return (
        np.take_along_axis(near, order, axis=1),
        np.take_along_axis(places, order, axis=1),
    )
