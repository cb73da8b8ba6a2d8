"""Which samples are the same, or nearly the same: hashes and fingerprints.

All that is kept of a sample is a hash of each modality and of each label, and
its fingerprints: some hundred bytes.
"""

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

# What shares a band with more samples than this is compared with as many of
# them only, so that a million samples stay far below a million squared.
MAX_BUCKET = 200
# Bands of fingerprints that are no bits.
BANDS = 16
# Bits of a band at least, of which a pair has one in 65,536 by chance.
NARROWEST = 16
# Groups, and samples of a group, that are named.
MAX_GROUPS, MAX_MEMBERS = 20, 6


def digest_of(value: np.ndarray) -> int:
    """Returns a hash of an array, never 0, which stands for an absent one."""
    raw = np.ascontiguousarray(value).tobytes()
    found = hashlib.blake2b(raw, digest_size=8).digest()
    return int.from_bytes(found, "little") or 1


class Fingerprints:
    """The fingerprints of one modality, in the order of the samples.

    Attributes:
        alike: Share of equal places from which two are nearly the same.
        bits: Whether a place is one bit.
    """

    def __init__(self) -> None:
        self.alike, self.bits, self.size = 1.0, True, 0
        self._raw, self._places = bytearray(), array("q")
        self._dtype: Any = np.uint8

    def add(self, place: int, found: Any) -> None:
        """Takes the `Fingerprint` of one sample; None: it has none."""
        if found is None:
            return
        self.alike, self.size = found.alike, len(found.places)
        self.bits = found.places.dtype == bool
        packed = np.packbits(found.places) if self.bits else found.places
        self._dtype = packed.dtype
        self._raw += packed.tobytes()
        self._places.append(place)

    def pairs(self, digests: np.ndarray) -> Iterator[tuple[int, int]]:
        """Yields places of samples that are nearly but not quite the same.

        Args:
            digests: `(samples,)` of the modality; of equal ones the first
                stands for all.
        """
        if not self._places:
            return
        places = np.frombuffer(self._places, np.int64)
        rows = np.frombuffer(self._raw, self._dtype).reshape(len(places), -1)
        first = np.unique(digests[places], return_index=True)[1]
        places, rows = places[np.sort(first)], rows[np.sort(first)]
        done: set[tuple[int, int]] = set()
        for keys in self._bands(rows):
            for group in _runs(np.unique(keys, return_inverse=True)[1]):
                for at, one in enumerate(group[:-1].tolist(), 1):
                    others = group[at : at + MAX_BUCKET]
                    shares = self._equal(rows[one], rows[others])
                    for near in np.flatnonzero(shares >= self.alike):
                        pair = (one, int(others[near]))
                        if pair not in done:
                            done.add(pair)
                            yield tuple(places[[*pair]].tolist())

    def _equal(self, one: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Returns the share of places in which others equal one."""
        if not self.bits:
            return (one == others).mean(axis=1)
        return 1 - np.bitwise_count(one ^ others).sum(axis=1) / self.size

    def _bands(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Yields a key a sample for each band of places.

        Two rows of bits that differ in d places have one of d + 1 bands in
        common, so that none is missed. Where those bands would be narrow, and
        shared by chance, there are fewer, and most pairs are found: of 64
        kept hashes of a text, 99 % of those that have 0.7 in common.
        """
        places = np.unpackbits(rows, axis=1) if self.bits else rows
        bands = BANDS
        if self.bits:
            bands = int((1 - self.alike) * self.size) + 1
            bands = min(bands, max(1, self.size // NARROWEST))
        for part in np.array_split(np.arange(self.size), bands):
            band = places[:, part]
            raw = np.packbits(band, axis=1) if self.bits else band
            raw = np.ascontiguousarray(raw)
            yield raw.view(f"V{raw.dtype.itemsize * raw.shape[1]}").ravel()


def _runs(codes: np.ndarray) -> list[np.ndarray]:
    """Returns the places of each code that occurs twice or more."""
    _, index, counts = np.unique(codes, return_inverse=True, return_counts=True)
    places = np.flatnonzero(counts[index] > 1)
    order = places[np.argsort(index[places], kind="stable")]
    ends = np.flatnonzero(np.diff(index[order])) + 1
    return np.split(order, ends) if len(order) else []


@dataclass(frozen=True)
class Groups:
    """Samples that are the same, group by group.

    Args:
        samples: How many samples have an earlier one that is the same.
        groups: Places of each group, the largest first; at most 20.
        count: How many groups there are.
        across: How many of them are in several splits.
        shared: Those groups, at most 20.
    """

    samples: int
    groups: list[list[int]]
    count: int
    across: int
    shared: list[list[int]]


def grouped(codes: np.ndarray, splits: np.ndarray, fine=None) -> Groups:
    """Returns the samples that have a code in common.

    Args:
        codes: `(samples,)`; 0 stands for none.
        splits: `(samples,)` indices of splits.
        fine: Codes of which a group must have several; None: of which it may
            have one.
    """
    places = np.flatnonzero(codes)
    parts = [places[part] for part in _runs(codes[places])]
    if fine is not None:
        parts = [p for p in parts if len(np.unique(fine[p])) > 1]
    parts.sort(key=lambda part: (-len(part), part[0]))
    across = [part for part in parts if len(np.unique(splits[part])) > 1]
    return Groups(
        sum(len(part) - 1 for part in parts),
        [part[:MAX_MEMBERS].tolist() for part in parts[:MAX_GROUPS]],
        len(parts),
        len(across),
        [_members(part, splits) for part in across[:MAX_GROUPS]],
    )


def _members(part: np.ndarray, splits: np.ndarray) -> list[int]:
    """Returns some places of a group, one of each split among them."""
    firsts = part[np.unique(splits[part], return_index=True)[1]].tolist()
    rest = [place for place in part.tolist() if place not in firsts]
    return (firsts + rest)[:MAX_MEMBERS]


def clusters(
    digests: np.ndarray, pairs: Iterable[tuple[int, int]]
) -> np.ndarray:
    """Returns `(samples,)` codes, equal in what is the same or nearly so.

    Args:
        digests: `(samples,)`; 0 where the modality is absent, and stays 0.
        pairs: Places of samples that are nearly the same.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    _, index = np.unique(digests, return_inverse=True)
    edges = np.array([*pairs], int).reshape(-1, 2)
    count = index.max(initial=0) + 1
    graph = coo_array(
        (np.ones(len(edges)), (index[edges[:, 0]], index[edges[:, 1]])),
        shape=(count, count),
    )
    labels = connected_components(graph, directed=False)[1]
    return np.where(digests == 0, 0, labels[index] + 1)


class Alike:
    """Hashes and fingerprints of all samples.

    Args:
        modalities: Names.
        targets: Names.
    """

    def __init__(self, modalities: list[str], targets: list[str]) -> None:
        self.digests = {name: array("Q") for name in modalities}
        self.labels = {name: array("Q") for name in targets}
        self.fingerprints = {name: Fingerprints() for name in modalities}
        self.splits = array("b")

    def add(self, place: int, split: int, stored: Mapping, labels: Mapping):
        """Takes the hashes of one sample.

        Args:
            place: Its place.
            split: Index of its split.
            stored: By modality, what a shard holds; absent ones left out.
            labels: By target, label and weight.
        """
        self.splits.append(split)
        for name, digests in self.digests.items():
            value = stored.get(name)
            digests.append(0 if value is None else digest_of(value))
        for name, digests in self.labels.items():
            label, weight = labels[name]
            here = bool(np.any(weight > 0))
            digests.append(digest_of(label) if here else 0)


def find_alike(found: Alike) -> dict[str, Any]:
    """Returns what is the same, and nearly, by modality and over all.

    Returns:
        "exact" and "near" by modality, and under the name None of all
        modalities together, as `Groups`; "conflicts" by target: groups of
        samples that are the same but for their label.
    """
    splits = np.frombuffer(found.splits, np.int8)
    exact, near, fine, coarse = {}, {}, [], []
    for name, raw in found.digests.items():
        digests = np.frombuffer(raw, np.uint64)
        codes = clusters(digests, found.fingerprints[name].pairs(digests))
        exact[name] = grouped(digests, splits)
        near[name] = grouped(codes, splits, digests)
        fine.append(digests)
        coarse.append(codes)
    whole, about = _together(fine), _together(coarse)
    exact[None] = grouped(whole, splits)
    near[None] = grouped(about, splits, whole)
    conflicts = {
        name: _conflicts(whole, np.frombuffer(raw, np.uint64))
        for name, raw in found.labels.items()
    }
    return {"exact": exact, "near": near, "conflicts": conflicts}


def _together(columns: list[np.ndarray]) -> np.ndarray:
    """Returns one code for each combination of codes, from 1 on."""
    found = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        index = np.unique(column, return_inverse=True)[1]
        pairs = found * (index.max(initial=0) + 1) + index
        found = np.unique(pairs, return_inverse=True)[1]
    return found + 1


def _conflicts(whole: np.ndarray, labels: np.ndarray) -> list[list[int]]:
    """Returns places of each group that has several labels."""
    places = np.flatnonzero(labels)
    found = []
    for run in _runs(whole[places]):
        part = places[run]
        if len(np.unique(labels[part])) > 1:
            firsts = np.unique(labels[part], return_index=True)[1]
            found.append(part[np.sort(firsts)].tolist())
    return found
