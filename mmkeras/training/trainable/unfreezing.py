"""Layers frozen by name, some of them only until a certain epoch."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras

from mmkeras.keras_private import layers_right_inside
from mmkeras.training.trainable.patterns import Place


def freeze(found: Iterable[Place]) -> list[Any]:
    """Freezes weights; returns what `thaw` unfreezes.

    The layer that owns the weight is frozen as a whole, so that a batch
    normalization runs as in inference and keeps its statistics. Of a layer
    with further layers inside, and of one with LoRA, only its own weights
    are frozen, not LoRA's. Dropout stays on: Keras drops inside a frozen
    layer too.
    """
    stopped: list[Any] = []
    for place in found:
        layer = place.layer
        whole = not (
            layers_right_inside(layer) or getattr(layer, "lora_rank", None)
        )
        owner = layer if whole else place.weight
        if owner.trainable and not place.weight.name.startswith("lora_"):
            owner.trainable = False
            stopped.append(owner)
    return stopped


def thaw(stopped: Iterable[Any]) -> None:
    """Unfreezes what `freeze` froze."""
    for owner in stopped:
        owner.trainable = True


def epochs_of(unfreeze: Mapping[Any, Sequence[str]]) -> dict[int, list[str]]:
    """Returns the patterns by the number of the epoch, TOML's "3" being 3."""
    found: dict[int, list[str]] = {}
    for epoch, patterns in unfreeze.items():
        found.setdefault(int(epoch), []).extend(patterns)
    return dict(sorted(found.items()))


class Unfreezing(keras.callbacks.Callback):
    """Unfreezes layers at the start of an epoch.

    Which layers are frozen depends on the number of the epoch alone. The
    optimizer has owned all weights from the beginning, so that the moments of
    those that learned before stay. Each such epoch compiles the step anew.

    Args:
        stopped: What `freeze` returned, by the epoch, counted from 1, at whose
            start it is unfrozen.
        first: Number, from 0, of the stage's first epoch in `fit`.

    Example:

    >>> stopped = freeze(select(places(model), ["audio_tower/*"], "freeze"))
    >>> model.fit(data.train, epochs=5, callbacks=[Unfreezing({3: stopped})])
    """

    def __init__(self, stopped: Mapping[int, list[Any]], first: int = 0):
        super().__init__()
        if keras.backend.backend() == "jax":
            raise ValueError(
                "`unfreeze` needs a backend whose optimizer may step some of "
                "its weights. Received: jax. Choices: tensorflow, torch"
            )
        self.stopped = dict(stopped)
        self.first = first

    def on_epoch_begin(self, epoch, logs=None):
        due = [at for at in self.stopped if at <= epoch - self.first + 1]
        for at in due:
            thaw(self.stopped.pop(at))
        if due:
            # The compiled step has the list of trained weights built in.
            self.model.make_train_function(force=True)
