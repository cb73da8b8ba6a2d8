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

    Each step sees the tokens under it, of one modality or of several, and
    the fused vector: a dense layer each, added, then the classes. So several
    modalities are fused step by step. A token over several steps gets a part
    of its dense layer for each of them (dense upsampling, Wang et al., 2018,
    arXiv 1702.08502): a tower that strides over time keeps what it saw.

    Args:
        classes: Number of classes.
        steps: Steps of the sequence.
        modality: Whose tokens are read, a name or several; None for the fused
            vector alone, which then gives every step the same output.
        units: Width of the hidden layer.

    Further arguments: those of `Category`.

    Call arguments: fused `(batch, units)`, and `features`, the towers'
    outputs by modality, whose mask is 0 where the modality is absent.
    Output: `(batch, steps, classes)` probabilities, float32; labels are
    `(batch, steps)` class indices, sample weights too are `(batch, steps)`.
    """

    steps: int
    modality: str | tuple[str, ...] | None = None
    units: int = 32

    def __call__(self, fused: Any, name: str, features: Any = None) -> Any:
        x = self.logits(fused, name, features)
        return layers.Activation("softmax", name=name, dtype="float32")(x)

    def logits(self, fused: Any, name: str, features: Any = None) -> Any:
        """Returns `(batch, steps, classes)` logits."""
        x = drop(fused, name, self.dropout)
        x = layers.Dense(self.units, name=f"{name}_context")(x)
        x = layers.RepeatVector(self.steps, name=f"{name}_repeat")(x)
        one = isinstance(self.modality, str)
        read = (self.modality,) if one else self.modality or ()
        parts = [
            self._per_step(features[key], name if one else f"{name}_{key}")
            for key in read
            if key in (features or {})
        ]
        if parts:
            x = layers.Add(name=f"{name}_joined")([x, *parts])
        x = layers.Activation("relu", name=f"{name}_hidden")(x)
        return layers.Dense(
            self.classes, name=f"{name}_logits", dtype="float32"
        )(x)

    def _per_step(self, found: Any, name: str) -> Any:
        """Returns `(batch, steps, units)` of the tokens of one modality."""
        tokens, mask = found["tokens"], found["mask"]
        count = tokens.shape[1]
        each = -(-self.steps // count)
        spread = TokensToSteps(self.steps, name=f"{name}_steps")
        dense = layers.Dense(each * self.units, name=f"{name}_tokens")
        if each == 1:
            return dense(spread(tokens, mask))
        tokens = layers.Reshape(
            (count * each, self.units), name=f"{name}_unfolded"
        )(dense(tokens))
        return spread(tokens, mask)

    def finish(self, output: Any, name: str) -> Any:
        raise ValueError(
            "A late fusion must have targets with one output a "
            f"sample. Received: the sequence `{name}`; choose another fusion"
        )


SequenceOptions = options_of(Sequence, (*FACTS, "steps", "modality"))
