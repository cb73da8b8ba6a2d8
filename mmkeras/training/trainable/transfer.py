"""A tower's weights from another model, trained on data of its own."""

from itertools import zip_longest
from typing import Any

import keras

from mmkeras.training.trainable.single_towers import tower_of


def take_tower(
    model: keras.Model,
    name: str,
    source: keras.Model,
    source_name: str | None = None,
) -> None:
    """Copies the weights of a tower, batch statistics included.

    The towers may differ in what no weight depends on, such as the length of
    a sound; nothing is copied unless every weight fits.

    Args:
        model: The model to be trained.
        name: The modality, with a tower `<name>_tower`.
        source: Another model, such as that of a run on more data.
        source_name: What the modality is called there; the same by default.

    Raises:
        ValueError: If a tower is missing, or the weights differ in number or
            shape; the message lists them side by side.

    Example:

    >>> take_tower(model, "audio", mmkeras.load_model("runs/speech"))
    """
    old = tower_of(source, source_name or name).weights
    new = tower_of(model, name).weights
    differing = [
        (ours, theirs)
        for ours, theirs in zip_longest(new, old)
        if _shape(ours) != _shape(theirs)
    ]
    if differing:
        lines = [f"  {_line(a)} | {_line(b)}" for a, b in differing]
        raise ValueError(
            f"`source` must have a `{source_name or name}_tower` whose weights "
            f"have the shapes of those of `{name}_tower` in `model`. Received, "
            "of `model` and of `source`:\n" + "\n".join(lines)
        )
    for ours, theirs in zip(new, old, strict=True):
        ours.assign(theirs)


def _shape(weight: Any) -> tuple | None:
    return None if weight is None else tuple(weight.shape)


def _line(weight: Any) -> str:
    return "nothing" if weight is None else f"{weight.path} {_shape(weight)}"
