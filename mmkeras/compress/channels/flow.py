"""Symbolic tensors and layer widths for following channels."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import keras
import numpy as np

Edit = Callable[[dict, int], None]


@dataclass(frozen=True, eq=False)
class Flow:
    """A symbolic tensor whose channels are numbered.

    Args:
        shape: Shape of the tensor, batch first.
        axis: The axis whose positions are channels; None if none is.
        ids: A number for each position of that axis. Positions that can only
            go together share one; 0 is a position that has to stay.
    """

    shape: tuple
    axis: int | None = None
    ids: np.ndarray | None = None

    @property
    def positions(self) -> int:
        """How often a dense layer is applied; an unknown length counts as 1."""
        return prod(size or 1 for size in self.shape[1:-1])


@dataclass(frozen=True, eq=False)
class Width:
    """The number of output channels of a layer, set by an argument of it.

    Args:
        layer: The layer.
        path: Its name after those of the models it is in.
        ids: A number for each channel.
        edit: Writes another number of channels into the layer's config.
    """

    layer: Any
    path: str
    ids: np.ndarray
    edit: Edit


def flows_in(values: Any) -> list[Flow]:
    """Returns the flows among nested arguments."""
    return [x for x in keras.tree.flatten(values) if isinstance(x, Flow)]
