"""What a quantized file is made with, besides the float file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # a recipe needs no Keras
    import keras

Arrays = Mapping[str, np.ndarray]
# Neither a spectral front end nor a table in raw units (missing cells,
# indices) survives int8.
FLOAT_SCOPES = ("logmel", "raw_cells")


@dataclass(frozen=True)
class Labelled:
    """Labelled samples that mixed precision is chosen on.

    Args:
        x: Inputs by name, `(samples, ...)`; not those of the test split,
            which has to stay unseen.
        drop: From the outputs of the float file and those of a smaller one
            to the largest drop of a metric, as a fraction.
        limit: The drop that is allowed.
    """

    x: Arrays
    drop: Callable[[Arrays, Arrays], float]
    limit: float


@dataclass(frozen=True)
class ConversionContext:
    """What files are made with.

    Args:
        folder: Where to write them.
        model: The Keras model; None where only the float file is at hand.
        samples: Inputs by name, `(samples, ...)`, to find the ranges of the
            activations with.
        float_layers: Parts of names of layers that compute in float, beside
            those that always do.
        labelled: Samples that mixed precision is chosen on.
        announce: Takes a few words before each step.
    """

    folder: Path
    model: "keras.Model | None" = None
    samples: Arrays = field(default_factory=dict)
    float_layers: tuple[str, ...] = ()
    labelled: Labelled | None = None
    announce: Callable[[str], object] = lambda words: None

    @property
    def float_scopes(self) -> tuple[str, ...]:
        """Parts of layer names whose operators compute in float."""
        return (*FLOAT_SCOPES, *self.float_layers)
