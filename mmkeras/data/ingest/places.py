"""Where each sample lies: an index of all shards, by id."""

import csv
import io
import itertools
import operator
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from mmkeras.artefact import atomic, writing
from mmkeras.data.ingest.split import LEFT_OUT, places_of
from mmkeras.data.ingest.table import (
    DIGEST,
    MEMORY_BYTES,
    digest_of,
    digests_of,
)

PLACES = "samples.csv"
HEADER = ("id", "shard", "offset", "bytes", "place")
# Place of a sample that was left out.
NOWHERE = (-1, 0, 0)


class PlaceLog:
    """What becomes the index, collected in any order of the shards."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(MEMORY_BYTES)
        self._parts: dict[str, tuple[int, int]] = {}

    def take(self, shard: dict) -> None:
        """Moves the samples in here from what `build_shard` returned."""
        name, samples = shard["file"], shard.pop("samples")
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([one, name, *place] for one, *place in samples)
        raw = text.getvalue().encode()
        with writing(tempfile.gettempdir(), "an index of samples"):
            self._parts[name] = self._file.seek(0, 2), len(raw)
            self._file.write(raw)

    def write(self, folder: Path, shards: Iterable[dict]) -> str:
        """Writes the index of shards, in this order; returns its name."""
        with (
            atomic(folder / PLACES) as temporary,
            open(temporary, "wb") as file,
        ):
            file.write(",".join(HEADER).encode() + b"\n")
            for shard in shards:
                place, size = self._parts[shard["file"]]
                self._file.seek(place)
                file.write(self._file.read(size))
        return PLACES


class PlaceIndex(Mapping):
    """Shard, offset, bytes and place of the samples of a folder, by id.

    Args:
        folder: The folder; hashes of its ids are kept, and no ids.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._shards = folder, []
        ids, places = [np.zeros(0, DIGEST)], [np.zeros((0, 4), np.int64)]
        for shard, samples in read_places(folder):
            ids.append(digests_of(name for name, *_ in samples))
            number = len(self._shards)
            rows = [(number, *place) for _, *place in samples]
            places.append(np.array(rows, np.int64))
            self._shards.append(shard)
        found = np.concatenate(ids)
        order = np.argsort(found)
        self._ids, self._places = found[order], np.concatenate(places)[order]

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[str]:
        for _, samples in read_places(self._folder):
            yield from (name for name, *_ in samples)

    def __getitem__(self, name: str) -> tuple[str, int, int, int]:
        wanted = np.array(digest_of(name), DIGEST)
        place = np.searchsorted(self._ids, wanted)
        if place == len(self) or self._ids[place] != wanted:
            raise KeyError(name)
        shard, *where = self._places[place].tolist()
        return self._shards[shard], *where


def counts_of(folder: Path) -> dict[str, int]:
    """Returns how many samples each shard holds, by the index.

    Raises:
        ValueError: If it is no index.
    """
    path = folder / PLACES
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            header = next(rows, [])
            if header != list(HEADER):
                raise ValueError(f"the columns {header}")
            # One by one, for there may be millions.
            found = Counter(row[1] for row in rows if int(row[2]) >= 0)
    except (ValueError, IndexError, csv.Error) as error:
        raise ValueError(
            f"`{path}` must be an index that prepare wrote. Received: {error}"
        ) from None
    return dict(found)


class KnownSplits:
    """The splits of the samples of a prepared folder, by id.

    Args:
        folder: The folder; hashes of its ids are kept, and no ids.
    """

    def __init__(self, folder: Path) -> None:
        ids, splits = [], []
        for shard, samples in read_places(folder):
            ids.append(digests_of(name for name, *_ in samples))
            split = shard.split("-")[0]
            splits.append(np.repeat(places_of([split]), len(samples)))
        found = np.concatenate([np.zeros(0, DIGEST), *ids])
        order = np.argsort(found)
        self._ids = found[order]
        self._splits = np.concatenate([np.zeros(0, np.int8), *splits])[order]

    def __len__(self) -> int:
        return len(self._ids)

    def of(self, ids: Iterable[str]) -> np.ndarray:
        """Returns places in `SPLITS`, or `LEFT_OUT` for what was not there."""
        wanted = digests_of(ids)
        if not len(self):
            return np.full(len(wanted), LEFT_OUT, np.int8)
        place = np.searchsorted(self._ids, wanted)
        place = np.minimum(place, len(self) - 1)
        there = self._ids[place] == wanted
        return np.where(there, self._splits[place], LEFT_OUT).astype(np.int8)


def read_places(folder: Path) -> Iterator[tuple[str, list[list]]]:
    """Yields each shard, and its samples as `build_shard` returns them."""
    with open(folder / PLACES, encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        for shard, part in itertools.groupby(rows, operator.itemgetter(1)):
            yield shard, [[n, *map(int, place)] for n, _, *place in part]
