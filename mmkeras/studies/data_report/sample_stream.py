"""Samples one by one, and again by their place."""

import abc
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mmkeras.data import SampleIO, learned_file, to_model
from mmkeras.spec import DataSpec

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Seen:
    """One sample.

    Args:
        place: Its place among all samples that could be read.
        id: Its id.
        split: "train", "validation" or "test".
        stored: By modality, what a shard holds of it; without those that are
            absent.
        labels: By target, label and weight.
        notes: By modality, what reading changed, counted.
        cells: Its row of the manifest; None of a prepared sample.
    """

    place: int
    id: str
    split: str
    stored: Mapping[str, np.ndarray]
    labels: Mapping[str, tuple[np.ndarray, np.ndarray]]
    notes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    cells: Mapping[str, str] | None = None


class SampleStream(abc.ABC):
    """Samples in a fixed order, which can be read again.

    Attributes:
        spec: The spec.
        name: Where they come from, for a person.
        learned: By modality, what reading took from the training split.
        learned_files: Of the modalities that have one, its file.
        faults: What could not be read: id, part, reason, detail.
        said: What a person should know, in sentences.
        lacking: By modality, the package that its fingerprints need and that
            is not installed.
    """

    spec: DataSpec
    name: str
    learned: dict[str, Any]
    learned_files: dict[str, Path]
    faults: list[tuple[str, str, str, str]]
    said: list[str]
    lacking: dict[str, str]

    @abc.abstractmethod
    def __iter__(self) -> Iterator[Seen]:
        """Yields every sample."""

    def io(self, name: str) -> SampleIO | None:
        """Returns what raw files are read with; None where there are none."""
        return None

    @abc.abstractmethod
    def again(self, places: Iterable[int]) -> dict[int, Seen]:
        """Returns a few samples, by place, without reading the others."""

    def named(self, places: Iterable[int]) -> dict[int, tuple[str, str]]:
        """Returns id and split of a few samples, by place."""
        found = self.again(places)
        return {place: (one.id, one.split) for place, one in found.items()}

    def inputs(self, seen: Seen) -> dict[str, np.ndarray]:
        """Returns a sample as it enters a model, `present` included."""
        spec = self.spec
        x = {
            name: to_model(spec.modalities[name], value)
            for name, value in seen.stored.items()
        }
        for name in spec.optional:
            x.setdefault(name, np.zeros(0))
        x["present"] = np.array([n in seen.stored for n in spec.optional])
        return x


def files_learned(spec: DataSpec, folder: Path) -> dict[str, Path]:
    """Returns where that is which modalities learned, of those with a file."""
    files = {n: learned_file(n, m) for n, m in spec.modalities.items()}
    return {name: folder / file for name, file in files.items() if file}
