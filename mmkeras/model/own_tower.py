"""A tower of a recipe that is a saved Keras model."""

from collections.abc import Sequence

import keras

from mmkeras.model.load import load_model
from mmkeras.towers import as_tower


def own_tower(
    model: str,
    name: str,
    shape: Sequence[int],
    dtype: str | None = None,
    units: int = 64,
) -> keras.Model:
    """Makes a tower of a `.keras` file, such as a network trained elsewhere.

    The file is looked through like that of a run.

    Args:
        model: Path of the file; see `as_tower` for what it may hold.
        name: Name of the modality.
        shape: Shape of one sample.
        dtype: Type of a sample; that of the model where left out.
        units: Width of the vector and of the tokens, where the model's own
            output is not the dict of a tower.

    Raises:
        ValueError: If the file is no model, or reads other samples.

    Example, in a recipe:

        [towers.audio]
        model = "build/voice_encoder.keras"
    """
    if not isinstance(model, str):
        raise ValueError(
            f"Key `model` must be the path of a `.keras` file. Received: "
            f"model={model!r}"
        )
    saved = load_model(model)
    for tensor in getattr(saved, "inputs", None) or ():
        if not _fits(tuple(tensor.shape[1:]), tuple(shape)):
            raise ValueError(
                f"Key `model` must be a model that reads {tuple(shape)}, the "
                f"shape of a sample in the data spec. Received: {model}, "
                f"which reads {tuple(tensor.shape[1:])}"
            )
    return as_tower(saved, name, units, shape, dtype)


def _fits(own, shape):
    """Tells whether sizes agree where the model says one."""
    return len(own) == len(shape) and all(
        size in (None, wanted) for size, wanted in zip(own, shape, strict=True)
    )
