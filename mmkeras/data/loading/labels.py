"""Which training samples have a label: fewer on purpose, or other ones.

A sample is known by a hash of its id, so that labels find their samples in
any order, out of any shard, within the `tf.data` graph.
"""

import copy
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mmkeras.arguments import check_number
from mmkeras.data.ingest.targets import facts_of
from mmkeras.data.loading.lookup import finder, hashes_of

# Samples whose labels are read at once.
LABELS_READ = 256
# Of one target; a constant of a TensorFlow graph has 2 GB at most.
LABELS_BYTES = 10**9
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Labels:
    """The labels of the training split, in its fixed order.

    Args:
        spec: The spec.
        seed: Seed of the hashes.
        hashes: `(samples,)` int64, of the ids.
        values: Labels by target, `(samples, ...)`.
        weights: Weights by target; 0 where there is no label.
        only: Whether samples without any label are left out.
    """

    spec: Any
    seed: int
    hashes: np.ndarray
    values: Arrays
    weights: Arrays
    only: bool = False

    @property
    def known(self) -> np.ndarray:
        """Which samples have a label for a target, or for a step of one."""
        flat = [
            w.reshape(len(w), -1).any(axis=1) for w in self.weights.values()
        ]
        return np.any(flat, axis=0)

    @property
    def sha256(self) -> str:
        """Hash of who has which label."""
        digest = hashlib.sha256(f"{self.seed} {self.only}".encode())
        parts = [self.hashes]
        for name in sorted(self.values):
            parts += [self.values[name], self.weights[name]]
        for part in parts:
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()

    def hidden(self, rows: np.ndarray) -> "Labels":
        """Returns the same without the labels where `rows` is True.

        The values are gone too, not their weights alone.
        """
        values = {}
        for name, found in self.values.items():
            values[name] = found.copy()
            values[name][rows] = self.spec.targets[name].unlabelled
        weights = {name: found.copy() for name, found in self.weights.items()}
        for found in weights.values():
            found[rows] = 0
        return replace(self, values=values, weights=weights)

    def filled(self, given: Mapping[str, tuple]) -> "Labels":
        """Returns the same with other labels where there are none.

        What then has no label at all is left out.

        Args:
            given: Values and weights by target, as these are.
        """
        values, weights = dict(self.values), dict(self.weights)
        for name, (value, weight) in given.items():
            own = self.weights[name] > 0
            wide = own.reshape(own.shape + (1,) * (value.ndim - own.ndim))
            kept = np.where(wide, self.values[name], value)
            values[name] = kept.astype(self.values[name].dtype)
            weight = np.where(own, self.weights[name], weight)
            weights[name] = weight.astype("float32")
        return replace(self, values=values, weights=weights, only=True)

    def filter(self):
        """Returns a function for `Dataset.filter` of serialized samples."""
        import tensorflow as tf

        find = finder(self.hashes, self.seed)
        known = tf.constant(self.known)

        def keep(serialized):
            rows, there = find(tf.reshape(serialized, (1,)))
            return there[0] & tf.gather(known, rows)[0]

        return keep

    def giver(self, parse):
        """Returns `parse` with these labels instead of the samples' own."""
        import tensorflow as tf

        find = finder(self.hashes, self.seed)
        values, weights = (
            {name: tf.constant(found) for name, found in part.items()}
            for part in (self.values, self.weights)
        )

        def give(serialized):
            rows, there = find(serialized)
            y, w = (
                {name: tf.gather(found, rows) for name, found in part.items()}
                for part in (values, weights)
            )
            for name, weight in w.items():
                shape = (-1,) + (1,) * (len(weight.shape) - 1)
                w[name] = weight * tf.cast(tf.reshape(there, shape), tf.float32)
            return parse(serialized)[0], y, w

        return give


def read_labels(data: Any, seed: int) -> Labels:
    """Reads every label of the training split, in one pass over its shards."""
    import tensorflow as tf

    targets = data.spec.targets
    _check_memory(data)
    names = [*targets, *(f"weight/{name}" for name in targets)]
    features = {name: tf.io.FixedLenFeature([], tf.string) for name in names}
    raw: dict[str, list[bytes]] = {name: [] for name in names}
    hashes = [np.zeros(0, "int64")]
    for batch in data.records("train").batch(LABELS_READ):
        hashes.append(hashes_of(batch, seed).numpy())
        for name, cells in tf.io.parse_example(batch, features).items():
            # One string of bytes each would be larger than most labels.
            raw[name].append(b"".join(cells.numpy().tolist()))

    def arrays(key, dtype, shape):
        flat = np.frombuffer(b"".join(raw[key]), np.dtype(dtype))
        return flat.reshape(-1, *shape)

    return Labels(
        spec=data.spec,
        seed=seed,
        hashes=np.concatenate(hashes),
        values={
            name: arrays(name, target.dtype, target.shape)
            for name, target in targets.items()
        },
        weights={
            name: arrays(f"weight/{name}", "<f4", target.weight_shape)
            for name, target in targets.items()
        },
    )


def _check_memory(data: Any) -> None:
    """Refuses labels, such as masks, that together do not fit in memory."""
    count = data.manifest["splits"]["train"]["count"]
    for name, target in data.spec.targets.items():
        size = np.dtype(target.dtype).itemsize * math.prod(target.shape)
        if count * size > LABELS_BYTES:
            raise ValueError(
                "Labels of the training split that are held in memory must "
                f"have at most {LABELS_BYTES:,} bytes. Received: "
                f"{count * size:,} of target `{name}`, kind '{target.kind}'"
            )


def with_labels(data: Any, fraction: float, seed: int) -> Any:
    """See `Data.with_labels`."""
    check_number("fraction", fraction, above=0, most=1)
    if data.labels is not None:
        raise ValueError(
            "`with_labels` must be asked of the data as `load_data` returns "
            "them. Received: data some of whose labels are hidden already"
        )
    found = read_labels(data, seed)
    shown = found.hidden(~chosen(found, fraction))
    few = using(data, replace(shown, only=True))
    few.everything = using(data, shown)
    return few


def using(data: Any, labels: Labels) -> Any:
    """Returns `data` whose training split has `labels`."""
    other = copy.copy(data)
    other.labels = labels
    count = data.manifest["splits"]["train"]["count"] - data.skipped["train"]
    if labels.only:
        count = int(labels.known.sum())
    other.counts = {**data.counts, "train": count}
    targets = facts_of(data.spec.targets, labels.values, labels.weights)
    other.statistics = {**data.statistics, "targets": targets}
    # It is made anew when it is asked for.
    other.__dict__.pop("train", None)
    return other


def chosen(labels: Labels, fraction: float) -> np.ndarray:
    """Returns which samples keep their labels.

    Within each class of the first target that has classes, those with the
    smallest hashes: so a smaller fraction is part of a larger one.
    """
    known = labels.known
    strata = np.full(len(known), -1)
    for name, target in labels.spec.targets.items():
        if target.stratifies:
            there = labels.weights[name] > 0
            strata[there] = labels.values[name][there]
            break
    kept = np.zeros(len(known), bool)
    for stratum in np.unique(strata[known]):
        rows = np.flatnonzero(known & (strata == stratum))
        # 0.07 * 100 is a little more than 7.
        count = math.ceil(fraction * len(rows) - 1e-9)
        kept[rows[np.argsort(labels.hashes[rows])][:count]] = True
    return kept
