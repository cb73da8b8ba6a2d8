"""Samples of one shard to the bytes of its records."""

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mmkeras.data.files.records import example
from mmkeras.data.stored import GROUP, VARIANTS, label_of, stored_dtype
from mmkeras.spec import DataSpec, Label, Target


class Encoder:
    """Makes a record of a row's values; columns are read of all rows at once.

    Args:
        spec: The spec.
        rows: Those of a shard, as `build_shard` takes them.
    """

    def __init__(self, spec: DataSpec, rows: list[dict]) -> None:
        self.spec = spec
        self.ids = [row["id"].encode() for row in rows]
        self.groups = [row["group"].encode() for row in rows if "group" in row]
        self.dtypes = {n: stored_dtype(m) for n, m in spec.modalities.items()}
        self.labels: dict[str, list[bytes]] = {}
        for name, target in spec.targets.items():
            if target.read_with_sample:
                continue
            values = [row["targets"][name] for row in rows]
            self.labels[name] = list(_labels(target, values))
            weights = np.array([row["weights"][name] for row in rows], "<f4")
            self.labels[f"weight/{name}"] = [one.tobytes() for one in weights]

    def __call__(
        self,
        place: int,
        values: Mapping[str, Any],
        variants: Mapping[str, list] | None = None,
        labels: Mapping[str, Label] | None = None,
    ) -> bytes:
        """Returns the record of a row.

        Args:
            place: Its place among the rows.
            values: Arrays by modality; one that is absent is left out.
            variants: Further arrays, of modalities that have them, in a
                training sample.
            labels: Of the targets that are read with their samples.
        """
        features = {"sample/id": self.ids[place]}
        if self.groups:
            features[GROUP] = self.groups[place]
        for name, dtype in self.dtypes.items():
            if name in values:
                features[name] = values[name].astype(dtype).tobytes()
            else:
                features[name] = self._absent(name)
        if self.spec.optional:
            features["present"] = _present(
                tuple(name in values for name in self.spec.optional)
            )
        for name, arrays in (variants or {}).items():
            dtype = self.dtypes[name]
            features[f"{VARIANTS}{name}"] = b"".join(
                array.astype(dtype).tobytes() for array in arrays
            )
        for name, column in self.labels.items():
            features[name] = column[place]
        for name, label in (labels or {}).items():
            features[name] = _little(label.value).tobytes()
            features[f"weight/{name}"] = _little(label.weight).tobytes()
        return example(features)

    def _absent(self, name: str) -> bytes:
        modality = self.spec.modalities[name]
        value = np.full(modality.shape, modality.absent)
        return value.astype(self.dtypes[name]).tobytes()


def _labels(target: Target, values: list) -> Iterator[bytes]:
    """Yields labels as a shard holds them, little-endian anywhere."""
    dtype = np.dtype(target.dtype).newbyteorder("<")
    if target.sparse:
        # As an array of all they may not fit in memory.
        found = (label_of(target, value).astype(dtype) for value in values)
    else:
        found = np.array(values, target.dtype).astype(dtype)
    return (label.tobytes() for label in found)


def _little(array: np.ndarray) -> np.ndarray:
    return array.astype(array.dtype.newbyteorder("<"))


@functools.cache
def _present(there: tuple[bool, ...]) -> bytes:
    return np.array(there, "<f4").tobytes()
