"""Groups of channels that are removed together, and the cost they save."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from mmkeras.compress.channels.flow import Width
from mmkeras.compress.channels.follow import Follow
from mmkeras.compress.channels.follow_graph import follow_model

Terms = list[tuple[float, list]]


@dataclass(frozen=True, eq=False)
class Block:
    """Groups of channels that are in the same widths.

    Args:
        width: The smallest of these widths.
        groups: The number of each group.
        each: Channels of `width` in a group.
    """

    width: Width
    groups: np.ndarray
    each: int


class Groups:
    """The channels of a model in groups that are removed together.

    Args:
        model: A functional model.
        skip: Parts of layers' paths; their widths stay.

    Attributes:
        follow: The walk through the model.
        root: The group of each channel's number; 0 has to stay.
        blocks: Groups of like place.
        uses: How many axes of kernels each group stands in.
        multiply_adds: The model's multiply-adds, as terms of `total`.
        parameters: Its parameters, likewise.
    """

    def __init__(self, model: keras.Model, skip: Sequence[str] = ()):
        self.follow = follow_model(model)
        _pin_skipped(self.follow, skip)
        self.root = self.follow.roots(np.arange(self.follow.count))
        self.blocks = self._find_blocks()
        self.uses = np.zeros(len(self.root), int)
        for variable, axes in self.follow.axes.values():
            for ids in axes.values() if len(variable.shape) > 1 else ():
                self.uses[np.unique(self.root[ids])] += 1
        self.multiply_adds = self.follow.terms
        self.parameters = [
            (1.0, self._axes(weight)) for weight in model.weights
        ]

    def all(self) -> np.ndarray:
        """Returns a mask that keeps every channel."""
        return np.ones(len(self.root), bool)

    def savings(self, terms: Terms, kept: np.ndarray) -> np.ndarray:
        """Returns the cost that each group saves, to first order."""
        saved = np.zeros(len(self.root))
        for times, parts in terms:
            counts = [_count(part, kept) for part in parts]
            for i, part in enumerate(parts):
                if not isinstance(part, np.ndarray):
                    continue
                others = np.prod(counts[:i] + counts[i + 1 :])
                left = part[kept[part]]
                np.add.at(saved, self.root[left], times * others)
        return saved

    def _axes(self, weight) -> list:
        _, axes = self.follow.axes.get(id(weight), (weight, {}))
        return [axes.get(a, size) for a, size in enumerate(weight.shape)]

    def _find_blocks(self) -> list[Block]:
        where: dict[int, list[int]] = {}
        widths = list(self.follow.widths.values())
        for i, width in enumerate(widths):
            for group in np.unique(self.root[width.ids]):
                where.setdefault(int(group), []).append(i)
        where.pop(0, None)
        alike: dict[tuple, list[int]] = {}
        for group, places in where.items():
            alike.setdefault(tuple(places), []).append(group)
        blocks = []
        for places, groups in alike.items():
            width = min((widths[i] for i in places), key=lambda w: len(w.ids))
            each = np.count_nonzero(self.root[width.ids] == groups[0])
            blocks.append(Block(width, np.array(groups), int(each)))
        return blocks


def total(terms: Terms, kept: np.ndarray) -> float:
    """Returns a cost with only the channels that are kept."""
    return float(
        sum(
            times * np.prod([_count(part, kept) for part in parts])
            for times, parts in terms
        )
    )


def multiply_adds(model: keras.Model) -> int:
    """Counts the multiplications of one sample that an addition follows.

    Those of dense, convolutional, recurrent and attention layers, of nested
    models and of layers that follow channels themselves; biases,
    normalisations, activations and poolings are not counted, as is usual. A
    layer without a rule counts each of its kernels once; an axis of
    unknown length counts as 1.

    Example:

    >>> x = keras.Input((8,))
    >>> multiply_adds(keras.Model(x, keras.layers.Dense(4)(x)))
    32
    """
    follow = follow_model(model)
    return round(total(follow.terms, np.ones(follow.count, bool)))


def _count(part: np.ndarray | int, kept: np.ndarray) -> float:
    if isinstance(part, np.ndarray):
        return float(np.count_nonzero(kept[part]))
    return float(part)


def _pin_skipped(follow: Follow, skip: Sequence[str]) -> None:
    for part in skip:
        found = [w for w in follow.widths.values() if part in w.path]
        if not found:
            raise ValueError(
                "Every entry of `skip` must be part of the path of a layer "
                f"whose width can change. Received: {part!r}. Choices: "
                + ", ".join(w.path for w in follow.widths.values())
            )
        for width in found:
            follow.pin(width.ids)
