"""The head for a tag a token of a text."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from mmkeras.heads.classes import FACTS
from mmkeras.heads.sequence import Sequence
from mmkeras.heads.transcript import TokensToFrames
from mmkeras.introspection import options_of


@dataclass(frozen=True, kw_only=True)
class Tags(Sequence):
    """A tag for each token of a text: outside, or part of a labelled span.

    As `Sequence`, whose steps are the tokens: each sees what its tower says of
    it, and the fused vector, through which other modalities have a say. Where
    no token is, as in padding or where the text is absent, the tag is
    "outside", for certain.

    Args:
        classes: Number of tags; 0 is "outside".
        steps: Tokens of a text.
        modality: Whose tokens are tagged.
        units: Width of the hidden layer.

    Further arguments: those of `Category`.

    Call arguments: fused `(batch, units)`, and `features`, the towers'
    outputs by modality.
    Output: `(batch, tokens, tags)` probabilities, float32; labels are
    `(batch, tokens)` tags, sample weights too are `(batch, tokens)`.

    Source: tags of tokens, BIO: Ramshaw, Marcus, "Text Chunking using
    Transformation-Based Learning", 1995 (arXiv cmp-lg/9505040).
    """

    units: int = 64

    @property
    def needs(self) -> tuple[str, ...]:
        """Modalities without which it cannot answer."""
        return (self.modality,)

    def __call__(self, fused: Any, name: str, features: Any = None) -> Any:
        found = (features or {}).get(self.modality)
        if found is None:
            raise ValueError(
                f"`{name}` must have the tokens of `{self.modality}`. "
                f"Received: those of {sorted(features or {})}"
            )
        logits = self.logits(fused, name, features)
        x = layers.Softmax(name=f"{name}_tags", dtype="float32")(logits)
        return OutsideWhereNothing(name=name, dtype="float32")(x, found["mask"])

    def _per_step(self, found: Any, name: str) -> Any:
        tokens, mask = found["tokens"], found["mask"]
        each, rest = divmod(self.steps, tokens.shape[1])
        if rest:
            return super()._per_step(found, name)
        # Each token alone. A mean over those that are there divides by none
        # in padding, which an int8 file cannot run.
        x = layers.Dense(each * self.units, name=f"{name}_tokens")(tokens)
        return TokensToFrames(each, name=f"{name}_frames")(x, mask)

    def finish(self, output: Any, name: str) -> Any:
        raise ValueError(
            "A late fusion must have targets with one output a "
            f"sample. Received: the tags `{name}`; choose another fusion"
        )


@keras.saving.register_keras_serializable(package="mmkeras")
class OutsideWhereNothing(layers.Layer):
    """Gives what is masked the first class, for certain.

    Call arguments:
        x: `(batch, steps, classes)` probabilities.
        mask: `(batch, tokens)`, 1 = real; tokens and steps are laid over the
            same stretch.

    Output shape: `(batch, steps, classes)`.
    """

    def call(self, x, mask):
        steps, classes = x.shape[1:]
        # The token that a step begins in.
        places = np.arange(steps) * mask.shape[1] // steps
        mask = ops.cast(mask, x.dtype)
        if mask.shape[1] != steps:
            mask = ops.take(mask, places, axis=1)
        # As wide as the classes, so that nothing is broadcast in the sum.
        mask = ops.repeat(ops.expand_dims(mask, -1), classes, axis=-1)
        first = ops.cast(np.eye(1, classes)[None], x.dtype)
        return x * mask + first * (1 - mask)

    def compute_output_shape(self, x_shape, mask_shape=None):
        return x_shape


TagsOptions = options_of(Tags, (*FACTS, "steps", "modality"))
