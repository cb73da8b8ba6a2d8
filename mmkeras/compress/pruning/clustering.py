"""Weight clustering: each kernel has a few distinct values."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from mmkeras.compress.kernels import copy_model, kernels
from mmkeras.compress.pruning.constraints import ConstrainKernels

# A kernel with more distinct values than this was not clustered.
MAX_CLUSTERS = 256


def cluster(
    model: keras.Model,
    clusters: int = 16,
    skip: Sequence[str] = (),
    seed: int = 0,
) -> keras.Model:
    """Returns a copy of a model whose kernels have few distinct values.

    k-means for each kernel, started by k-means++. A kernel with zeros keeps
    them, and zero is one of its values. Few values make the file smaller once
    it is compressed; they make nothing faster. A kernel that has no more
    distinct values than `clusters` stays as it is.

    Args:
        model: A functional model.
        clusters: Distinct values of a kernel, 2 to 256.
        skip: Parts of paths of kernels that are left alone.
        seed: Seed of the first centres.

    Source: Han et al., "Deep Compression", 2015 (arXiv 1510.00149).

    Example:

    >>> shared = cluster(prune(model, 0.8), clusters=16)
    >>> len(np.unique(shared.get_layer("digit").kernel))
    16
    """
    if not 2 <= clusters <= MAX_CLUSTERS:
        raise ValueError(
            f"`clusters` must be from 2 to {MAX_CLUSTERS}. Received: "
            f"clusters={clusters}"
        )
    rng = np.random.default_rng(seed)
    clustered = copy_model(model)
    for kernel in kernels(clustered, skip):
        value = ops.convert_to_numpy(kernel.variable)
        kernel.variable.assign(share_values(value, clusters, rng))
    return clustered


def share_values(
    value: np.ndarray, clusters: int, rng: np.random.Generator
) -> np.ndarray:
    """Returns an array with at most `clusters` distinct values, zeros kept."""
    if len(np.unique(value)) <= clusters:
        return value
    kept = value != 0
    weights = np.sort(value[kept])
    centres = k_means(weights, clusters - (not kept.all()), rng)
    # A centre that rounds to zero would prune its weights.
    centres = centres.astype(value.dtype)
    borders = (centres[1:] + centres[:-1]) / 2
    shared = centres[np.searchsorted(borders, value)]
    return np.where(kept, shared, 0).astype(value.dtype)


def k_means(
    values: np.ndarray,
    clusters: int,
    rng: np.random.Generator,
    turns: int = 100,
) -> np.ndarray:
    """Returns the centres of sorted numbers, in order.

    On a line a cluster is an interval, so that sums over clusters are
    differences of one cumulated sum: a turn costs a few searches, whatever
    the count of numbers, and no sampling is needed.

    Args:
        values: Numbers in ascending order, `(n,)`.
        clusters: Centres, at most as many as distinct numbers.
        rng: Draws the first centres.
        turns: Turns after which to stop if centres still move.

    Source of the start: Arthur and Vassilvitskii, "k-means++", 2007.
    """
    values = values.astype("float64")
    sums = np.concatenate([[0.0], np.cumsum(values)])
    centres = np.sort(_first_centres(values, clusters, rng))
    for _ in range(turns):
        borders = (centres[1:] + centres[:-1]) / 2
        ends = np.searchsorted(values, borders)
        ends = np.concatenate([[0], ends, [len(values)]])
        counts = np.diff(ends)
        means = np.diff(sums[ends]) / np.maximum(counts, 1)
        moved = np.where(counts, means, centres)
        if np.array_equal(moved, centres):
            break
        centres = moved
    return centres


def _first_centres(
    values: np.ndarray, clusters: int, rng: np.random.Generator
) -> np.ndarray:
    """Draws centres, each with the odds of its distance squared."""
    centres = [rng.choice(values)]
    distances = (values - centres[0]) ** 2
    while len(centres) < clusters and distances.any():
        odds = np.cumsum(distances)
        place = np.searchsorted(odds, rng.uniform(0, odds[-1]), side="right")
        centres.append(values[min(place, len(values) - 1)])
        distances = np.minimum(distances, (values - centres[-1]) ** 2)
    return np.array(centres)


class KeepClusters(ConstrainKernels):
    """Keeps clusters of equal weights equal while a model is trained.

    For a model clustered before: after each step, the weights of a cluster
    become their mean, so that a cluster learns from the gradients of all its
    weights. Weights that are zero stay zero. Kernels with more than 256
    distinct values, and those of one value only, are left alone.

    Args:
        skip: Parts of paths of kernels that are left alone.

    Example:

    >>> model = cluster(model, 16)
    >>> model.compile("adam", "mse")
    >>> model.fit(data.train, callbacks=[KeepClusters()])
    """

    def projections(self):
        return [_keep_clusters(kernel.variable) for kernel in self.kernels]


def _keep_clusters(variable):
    value = ops.convert_to_numpy(variable)
    centres, members = np.unique(value, return_inverse=True)
    if not 1 < len(centres) <= min(MAX_CLUSTERS, value.size - 1):
        return None
    return _Clusters(members.ravel(), centres)


class _Clusters:
    """Replaces each weight by the mean of its cluster."""

    def __init__(self, members, centres):
        counts = np.bincount(members)
        self.clusters = len(centres)
        self.members = keras.Variable(members, trainable=False, dtype="int32")
        # Zeros are pruned weights, whatever their gradients say.
        self.share = np.where(centres == 0, 0, 1 / counts).astype("float32")

    def __call__(self, value):
        flat = ops.reshape(value, (-1,))
        sums = ops.segment_sum(flat, self.members, self.clusters)
        means = sums * ops.cast(self.share, value.dtype)
        return ops.reshape(ops.take(means, self.members), value.shape)
