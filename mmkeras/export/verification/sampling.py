"""The samples that an export is calibrated and verified with."""

from collections.abc import Iterable, Iterator, Mapping
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
    """

    x: Arrays
    labels: Arrays
    weights: Arrays

    @property
    def size(self) -> int:
        """How many samples there are."""
        return len(next(iter(self.x.values())))


def take(
    dataset: Iterable[Batch], spec: "DataSpec", count: int, every: int = 1
) -> Samples:
    """Stacks samples of a dataset of `(x, y, sample_weight)` batches.

    Args:
        dataset: Batches of dicts.
        spec: Which modalities to take; the data may have more of them.
        count: Samples to take at most.
        every: 1 takes each sample, 3 each third one.
    """
    parts, seen, taken = [], 0, 0
    for batch in dataset:
        rows = len(next(iter(batch[0].values())))
        chosen = [i for i in range(rows) if (seen + i) % every == 0]
        chosen = chosen[: count - taken]
        seen, taken = seen + rows, taken + len(chosen)
        parts.append(
            [{k: np.asarray(v)[chosen] for k, v in d.items()} for d in batch]
        )
        if taken == count:
            break
    if not taken:
        raise ValueError(
            "A split must hold at least one sample to export with. "
            "Received: an empty split"
        )
    x, y, weight = (
        {key: np.concatenate([part[i][key] for part in parts]) for key in first}
        for i, first in enumerate(parts[0])
    )
    names = [*spec.modalities, *(["present"] if spec.optional else [])]
    return Samples({name: x[name] for name in sorted(names)}, y, weight)


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
    x, _, _ = take(dataset, spec, count)
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
