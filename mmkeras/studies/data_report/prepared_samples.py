"""Samples of a prepared folder, read without TensorFlow."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from mmkeras import artefact
from mmkeras.data import (
    features_of,
    intact_records,
    load_learned,
    open_learned,
    stored_dtype,
)
from mmkeras.spec import DataSpec
from mmkeras.studies.data_report.sample_stream import (
    SPLITS,
    SampleStream,
    Seen,
    files_learned,
)


class PreparedSamples(SampleStream):
    """Samples of a folder that `prepare` wrote, a shard at a time.

    Args:
        folder: The folder; every file is checked against its manifest.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, str(folder)
        self.manifest = artefact.read_manifest(folder, "data")
        self.spec = spec = DataSpec.from_dict(self.manifest["spec"])
        facts = self.manifest["statistics"]["modalities"]
        self.learned = open_learned(spec, load_learned(spec, facts, folder))
        self.lacking = {}
        self.learned_files = files_learned(spec, folder)
        self.said = list(self.manifest.get("said", ()))
        self.faults = []

    def __iter__(self) -> Iterator[Seen]:
        return self._read(lambda place: True)

    def again(self, places: Iterable[int]) -> dict[int, Seen]:
        wanted = {*places}
        return {seen.place: seen for seen in self._read(wanted.__contains__)}

    def _read(self, wanted: Callable[[int], bool]) -> Iterator[Seen]:
        """Yields samples; a shard without any of them is not opened."""
        first = 0
        for split in SPLITS:
            for shard in self.manifest["splits"][split]["shards"]:
                end = first + shard["count"]
                if any(wanted(place) for place in range(first, end)):
                    payloads, _ = intact_records(self.folder / shard["file"])
                    for place, payload in enumerate(payloads, first):
                        if wanted(place):
                            yield self._seen(place, split, payload)
                first = end

    def _seen(self, place: int, split: str, payload: bytes) -> Seen:
        spec, features = self.spec, features_of(payload)
        present = np.ones(len(spec.optional), bool)
        if spec.optional:
            present = np.frombuffer(features["present"], "<f4") > 0
        absent = {
            name
            for name, there in zip(spec.optional, present, strict=True)
            if not there
        }
        stored = {
            name: np.frombuffer(features[name], stored_dtype(modality)).reshape(
                modality.shape
            )
            for name, modality in spec.modalities.items()
            if name not in absent
        }
        labels = {}
        for name, target in spec.targets.items():
            dtype = np.dtype(target.dtype).newbyteorder("<")
            label = np.frombuffer(features[name], dtype)
            weight = np.frombuffer(features[f"weight/{name}"], "<f4")
            labels[name] = (
                label.reshape(target.shape),
                weight.reshape(target.weight_shape),
            )
        return Seen(
            place, features["sample/id"].decode(), split, stored, labels
        )
