"""A tower of a recipe that is a saved Keras model."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras

from mmkeras.model.load import load_model
from mmkeras.options import Options, option
from mmkeras.towers import as_tower
from mmkeras.values import COUNT, TEXT


@dataclass(frozen=True, kw_only=True)
class SavedTower(Options):
    """Options of a tower that is a saved Keras model.

    Args:
        model: Path of a `.keras` file; see `as_tower` for what it may hold.
        units: Width of the vector and of the tokens, where the model's own
            output is not the dict of a tower.
    """

    model: str = option("", ("the path of a `.keras` file", TEXT[1]))
    units: int = option(64, COUNT, role="width")


def own_tower(
    options: SavedTower, name: str, shape: Sequence[int], dtype: str
) -> keras.Model:
    """Makes a tower of a `.keras` file, such as a network trained elsewhere.

    The file is checked like that of a run.

    Args:
        options: The file, and the width.
        name: Name of the modality.
        shape: Shape of one sample.
        dtype: Type of a sample.

    Raises:
        ValueError: If the file is no model, or reads other samples.

    Example, in a recipe:

        [towers.audio]
        model = "build/voice_encoder.keras"
    """
    model = options.model
    saved = load_model(model)
    for tensor in getattr(saved, "inputs", None) or ():
        if not _fits(tuple(tensor.shape[1:]), tuple(shape)):
            raise ValueError(
                f"Key `model` must be a model that reads {tuple(shape)}, the "
                f"shape of a sample in the data spec. Received: {model}, "
                f"which reads {tuple(tensor.shape[1:])}"
            )
    return as_tower(saved, name, options.units, shape, dtype)


def _fits(own, shape):
    """Tells whether sizes agree where the model says one."""
    return len(own) == len(shape) and all(
        size in (None, wanted) for size, wanted in zip(own, shape, strict=True)
    )
