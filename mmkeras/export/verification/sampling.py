"""The samples that an export is calibrated and verified with."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:  # a worker that needs no spec should not wait for it
    from mmkeras.spec import DataSpec

Arrays = dict[str, np.ndarray]
Batch = tuple[Mapping, Mapping, Mapping]


class Samples(NamedTuple):
    """Samples of a split.

    Args:
        x: Inputs by modality, `(samples, ...)`.
        labels: By target.
        weights: By target; 0 where there is no label.
        groups: What each sample hangs together with, as `data.groups` tells
            it; None where each stands for itself.
    """

    x: Arrays
    labels: Arrays
    weights: Arrays
    groups: Sequence[str] | None = None

    @property
    def size(self) -> int:
        """How many samples there are."""
        return len(next(iter(self.x.values())))


def take(
    dataset: Iterable[Batch],
    spec: "DataSpec",
    count: int,
    total: int | None = None,
    groups: Sequence[str] | None = None,
) -> Samples:
    """Stacks samples of a dataset of `(x, y, sample_weight)` batches.

    Args:
        dataset: Batches of dicts.
        spec: Which modalities to take; the data may have more of them.
        count: Samples to take at most.
        total: How many there are, from first to last of which they are
            spread evenly; None takes the first ones.
        groups: Of all samples of the dataset.
    """
    wanted = np.arange(count)
    if total is not None and total > count:
        wanted = wanted * total // count
    parts, places, seen = [], [], 0
    for batch in dataset:
        rows = len(next(iter(batch[0].values())))
        chosen = wanted[(wanted >= seen) & (wanted < seen + rows)]
        places += chosen.tolist()
        parts.append(
            [
                {k: np.asarray(v)[chosen - seen] for k, v in d.items()}
                for d in batch
            ]
        )
        seen += rows
        if len(places) == count:
            break
    if not places:
        raise ValueError(
            "A split must hold at least one sample to export with. "
            "Received: an empty split"
        )
    x, y, weight = (
        {key: np.concatenate([part[i][key] for part in parts]) for key in first}
        for i, first in enumerate(parts[0])
    )
    names = [*spec.modalities, *(["present"] if spec.optional else [])]
    x = {name: x[name] for name in sorted(names)}
    kept = None if groups is None else [groups[place] for place in places]
    return Samples(x, y, weight, kept)


def calibration(
    dataset: Iterable[Batch], spec: "DataSpec", count: int = 256
) -> Arrays:
    """Returns inputs that drive every activation through its range.

    One sample in eight lacks an optional modality, each in turn, so that the
    ranges cover what the model computes in its place.

    Args:
        dataset: Training batches without augmentation.
        spec: The data spec.
        count: Samples to take at most.
    """
    x = take(dataset, spec, count).x
    rows = np.arange(len(next(iter(x.values()))))
    for index, name in enumerate(spec.optional):
        lacking = rows % (8 * len(spec.optional)) == 8 * index + 7
        x = without(x, name, spec.optional, lacking)
    return x


def without(
    x: Arrays,
    name: str,
    optional: tuple[str, ...],
    rows: np.ndarray | slice = slice(None),
) -> Arrays:
    """Returns the inputs with modality `name` absent in `rows`."""
    x = {**x, name: x[name].copy(), "present": x["present"].copy()}
    x[name][rows] = 0
    x["present"][rows, optional.index(name)] = 0
    return x


def scenarios(
    x: Arrays, optional: tuple[str, ...]
) -> Iterator[tuple[str, Arrays]]:
    """Yields the inputs as they are, and with each optional one absent."""
    yield "all", x
    for name in optional:
        yield f"without {name}", without(x, name, optional)
