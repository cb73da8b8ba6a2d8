"""The head for a class a step of time."""

from dataclasses import dataclass
from typing import Any

from keras import layers

from mmkeras.heads.classes import FACTS, Category
from mmkeras.heads.layers import TokensToSteps, drop
from mmkeras.introspection import options_of


@dataclass(frozen=True, kw_only=True)
class Sequence(Category):
    """A class for each step of time, such as where an activity changes.

    Each step sees the tokens of one modality under it and the fused vector:
    two dense layers, added, then the classes.

    Args:
        classes: Number of classes.
        steps: Steps of the sequence.
        modality: Whose tokens are read; None for the fused vector alone,
            which then gives every step the same output.
        units: Width of the hidden layer.

    Further arguments: those of `Category`.

    Call arguments: fused `(batch, units)`, and `features`, the towers'
    outputs by modality, whose mask is 0 where the modality is absent.
    Output: `(batch, steps, classes)` probabilities, float32; labels are
    `(batch, steps)` class indices, sample weights too are `(batch, steps)`.
    """

    steps: int
    modality: str | None = None
    units: int = 32

    def __call__(self, fused: Any, name: str, features: Any = None) -> Any:
        x = drop(fused, name, self.dropout)
        x = layers.Dense(self.units, name=f"{name}_context")(x)
        x = layers.RepeatVector(self.steps, name=f"{name}_repeat")(x)
        if self.modality in (features or {}):
            found = features[self.modality]
            tokens = TokensToSteps(self.steps, name=f"{name}_steps")(
                found["tokens"], found["mask"]
            )
            tokens = layers.Dense(self.units, name=f"{name}_tokens")(tokens)
            x = layers.Add(name=f"{name}_joined")([x, tokens])
        x = layers.Activation("relu", name=f"{name}_hidden")(x)
        x = layers.Dense(self.classes, name=f"{name}_logits", dtype="float32")(
            x
        )
        return layers.Activation("softmax", name=name, dtype="float32")(x)

    def finish(self, output: Any, name: str) -> Any:
        raise ValueError(
            "A late fusion must have targets with one output a "
            f"sample. Received: the sequence `{name}`; choose another fusion"
        )


SequenceOptions = options_of(Sequence, (*FACTS, "steps", "modality"))
