"""Samples as they come, read as `prepare` would read them."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmkeras.data import (
    BadSample,
    Reason,
    SampleIO,
    draw_splits,
    given_splits,
    learn_from,
    make_plan,
    open_learned,
    read_label,
    rows_of,
    save_learned,
)
from mmkeras.spec import DataSpec
from mmkeras.studies.data_report.sample_stream import (
    SampleStream,
    Seen,
    files_learned,
)

# Rows whose cells are lists at a time.
CHUNK = 1024


class RawSamples(SampleStream):
    """Samples of a table, read as `prepare` reads them.

    Without the noise that a spec may ask for: it would hide what is alike.

    Args:
        spec: The spec.
        root: Folder of the files.
        read: The table, a `mmkeras.data` manifest with what was said of it.
        name: Of the table.
        arrays: Folder of samples that were in memory; None where none was.
        scratch: Folder for what is learned, such as a tokenizer.
    """

    def __init__(
        self,
        spec: DataSpec,
        root: Path,
        read: Any,
        name: str,
        arrays: str | None,
        scratch: Path,
    ) -> None:
        self.spec, self.root, self.name = spec, root, name
        self.arrays, self.table = arrays, read.rows
        for key, modality in spec.modalities.items():
            modality.check(SampleIO(str(root), key))
        self.plan = make_plan(spec, read.rows)
        self._split()
        learned = learn_from(spec, root, self.plan.training)
        save_learned(spec, learned, scratch)
        self.learned = open_learned(spec, learned)
        self.lacking = {}
        self.learned_files = files_learned(spec, scratch)
        self.said = [*read.said, *self.plan.said]
        bad = self.plan.bad
        ids = self.table["sample/id"].take(np.array([r for r, *_ in bad], int))
        self.faults = [
            (name, *rest) for name, (_, *rest) in zip(ids, bad, strict=True)
        ]
        self._unread: list[int] = []

    def _split(self) -> None:
        if self.spec.split.method == "column":
            # What `prepare` refuses, such as a group in two splits, is what
            # this report is for.
            given_splits(self.spec, self.plan)
        else:
            draw_splits(self.spec, self.plan)

    def io(self, name: str) -> SampleIO:
        """Returns what the files of a modality are read with."""
        return SampleIO(
            str(self.root), name, self.learned.get(name), None, self.arrays
        )

    def __iter__(self) -> Iterator[Seen]:
        self._unread.clear()
        rows, place = self.plan.left, 0
        for first in range(0, len(rows), CHUNK):
            part = rows[first : first + CHUNK]
            for seen in self._read(part, itertools.count(place)):
                yield seen
                place += 1

    def again(self, places: Iterable[int]) -> dict[int, Seen]:
        places = sorted({*places})
        found = self._read(self._rows(places), iter(places))
        return {seen.place: seen for seen in found}

    def named(self, places: Iterable[int]) -> dict[int, tuple[str, str]]:
        places = sorted({*places})
        rows = self._rows(places)
        ids = self.table["sample/id"].take(rows)
        return dict(zip(places, zip(ids, self.plan.names(rows)), strict=True))

    def _rows(self, places: list[int]) -> np.ndarray:
        """Returns the rows of the table that samples stand in."""
        return np.setdiff1d(self.plan.left, self._unread)[places]

    def _read(self, rows: np.ndarray, places: Iterator[int]) -> Iterator[Seen]:
        readers = {name: self.io(name) for name in self.spec.modalities}
        labels, weights = [
            {name: rows_of(arrays[name], rows) for name in self.plan.values}
            for arrays in (self.plan.values, self.plan.weights)
        ]
        columns, splits = self.table.columns, self.plan.names(rows)
        cells = [self.table[column].take(rows) for column in columns]
        entries = zip(*cells, strict=True)
        for at, (row, entry) in enumerate(zip(rows.tolist(), entries)):
            entry = dict(zip(columns, entry, strict=True))
            samples = self._samples(entry, readers)
            found = None
            if samples is not None:
                found = self._labels(entry, samples)
            if found is None:
                self._unread.append(row)
                continue
            found |= {
                name: (
                    np.array(labels[name][at], target.dtype),
                    np.array(weights[name][at], "float32"),
                )
                for name, target in self.spec.targets.items()
                if name in labels
            }
            yield Seen(
                next(places),
                entry["sample/id"],
                splits[at],
                {name: one.value for name, one in samples.items()},
                found,
                {name: one.notes for name, one in samples.items()},
                entry,
            )

    def _labels(self, cells: Mapping, samples: Mapping) -> dict | None:
        """Returns labels that are read with a sample; None if one is wrong."""
        found, wrong = {}, False
        for name, target in self.spec.targets.items():
            if not target.read_with_sample:
                continue
            io = SampleIO(str(self.root), name, self.learned, None, self.arrays)
            try:
                label = read_label(target, cells, io, samples)
                found[name] = label.value, label.weight
            except BadSample as error:
                fault = (name, str(error.reason), error.detail)
                self.faults.append((cells["sample/id"], *fault))
                wrong = True
        return None if wrong else found

    def _samples(self, cells: Mapping, readers: Mapping) -> dict | None:
        """Returns the modalities of a row; None if it cannot be used."""
        found, lost = {}, False
        for name, modality in self.spec.modalities.items():
            try:
                found[name] = modality.read(cells, readers[name])
            except BadSample as error:
                if error.reason != Reason.MISSING or not modality.optional:
                    fault = (name, str(error.reason), error.detail)
                    self.faults.append((cells["sample/id"], *fault))
                lost |= not modality.optional
        return None if lost else found
