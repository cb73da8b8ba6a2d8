"""The head for transcripts: a symbol or blank in each frame."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
from keras import layers, ops

from mmkeras.heads import ctc
from mmkeras.heads.layers import TokensToSteps, drop
from mmkeras.introspection import options_of
from mmkeras.values import COUNT, FLAG, SHARE, WHOLE, or_none


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """What is said, as a symbol or blank for each frame (CTC).

    Each frame sees the tokens over it, of one modality or of several: a dense
    layer each, added. So several modalities are fused frame by frame. Where
    there are as many tokens as frames, or a whole part of them, the head
    looks at each token alone, and a tower that streams stays one.

    Args:
        symbols: Different symbols, without blank.
        steps: Frames.
        modality: Whose tokens are read, a name or several. Without any of
            them, as of a model of another modality alone, the fused vector is
            spread over the frames.
        weight: Weight of the loss among several targets.
        units: Width of the hidden layer.
        memory: Units of a GRU over the frames, which looks back only, behind
            the hidden layer; 0 for none.
        dropout: Dropout rate before the output layer.
        context: Whether each frame sees the fused vector too; None for
            where there are modalities beside those read. With it, a stream
            knows of the whole only what it has read.

    Call arguments: fused `(batch, units)`, and `features`, the towers'
    outputs by modality, whose mask is 0 where the modality is absent.
    Output: `(batch, steps, 1 + symbols)` logits, float32, the first of them
    blank; labels are those of `CTC`.
    """

    symbols: int
    steps: int
    modality: str | tuple[str, ...] | None = None
    weight: float = 1.0
    units: int = 64
    memory: int = 0
    dropout: float = 0.0
    context: bool | None = None
    activation: ClassVar[str] = "linear"

    def __post_init__(self) -> None:
        if self.memory < 0 or self.units < 1:
            raise ValueError(
                "`units` must be at least 1, and `memory` at least 0. "
                f"Received: units={self.units}, memory={self.memory}"
            )

    @property
    def outputs(self) -> int:
        """Width of the output."""
        return 1 + self.symbols

    def __call__(
        self, fused: Any, name: str, features: Mapping | None = None
    ) -> Any:
        x = self._frames(fused, name, features or {})
        x = layers.Activation("relu", name=f"{name}_hidden")(x)
        if self.memory:
            x = layers.GRU(
                self.memory, return_sequences=True, name=f"{name}_memory"
            )(x)
        x = drop(x, name, self.dropout)
        return layers.Dense(self.outputs, name=name, dtype="float32")(x)

    def _frames(self, fused: Any, name: str, features: Mapping) -> Any:
        """Returns `(batch, steps, units)` of what each frame sees."""
        one = isinstance(self.modality, str)
        read = (self.modality,) if one else self.modality or ()
        read = [key for key in read if key in features]
        parts = [
            self._per_frame(features[key], name if one else f"{name}_{key}")
            for key in read
        ]
        if not parts:
            x = layers.Dense(self.steps * self.units, name=f"{name}_context")(
                fused
            )
            shape = (self.steps, self.units)
            return layers.Reshape(shape, name=f"{name}_spread")(x)
        x = parts[0]
        if len(parts) > 1:
            x = layers.Add(name=f"{name}_joined")(parts)
        more = self.context
        if more is None:
            more = len(read) < len(features)
        if not more:
            return x
        context = layers.Dense(self.units, name=f"{name}_context")(fused)
        return AddToFrames(name=f"{name}_in_context")(x, context)

    def _per_frame(self, found: Mapping, name: str) -> Any:
        tokens, mask = found["tokens"], found["mask"]
        each, rest = divmod(self.steps, tokens.shape[1])
        if rest:
            spread = TokensToSteps(self.steps, name=f"{name}_steps")
            dense = layers.Dense(self.units, name=f"{name}_tokens")
            return dense(spread(tokens, mask))
        x = layers.Dense(each * self.units, name=f"{name}_tokens")(tokens)
        return TokensToFrames(each, name=f"{name}_frames")(x, mask)

    def finish(self, output: Any, name: str) -> Any:
        raise ValueError(
            "A late fusion must have targets with one output a "
            f"sample. Received: the transcript `{name}`; choose another fusion"
        )

    def loss(self) -> keras.losses.Loss:
        return ctc.CTC()

    def metrics(self) -> list[keras.metrics.Metric]:
        return [ctc.SymbolErrorRate()]


@keras.saving.register_keras_serializable(package="mmkeras")
class TokensToFrames(layers.Layer):
    """Unfolds each token into a few frames; zeros where it is masked.

    It looks at each token alone, so that it can be streamed.

    Args:
        each: integer, frames of a token.

    Call arguments:
        tokens: `(batch, tokens, each * units)`.
        mask: `(batch, tokens)`, 1 = real.

    Output shape: `(batch, tokens * each, units)`.
    """

    looks_at_each_step = True

    def __init__(self, each, **kwargs):
        super().__init__(**kwargs)
        self.each = each

    def call(self, tokens, mask):
        x = tokens * ops.cast(ops.expand_dims(mask, -1), tokens.dtype)
        if self.each == 1:
            return x
        shape = (x.shape[1] * self.each, x.shape[2] // self.each)
        return ops.reshape(x, (-1, *shape))

    def compute_output_shape(self, tokens_shape):
        batch, tokens, units = tokens_shape
        return (batch, tokens * self.each, units // self.each)


@keras.saving.register_keras_serializable(package="mmkeras")
class AddToFrames(layers.Layer):
    """Adds one vector a sample to each of its frames.

    Call arguments:
        x: `(batch, frames, units)`.
        context: `(batch, units)`.

    Output shape: `(batch, frames, units)`.
    """

    looks_at_each_step = True

    def call(self, x, context):
        # Repeated, not broadcast: of a static batch of 1, Keras' sum takes
        # what is broadcast for a bias, of the frames where there are as many.
        return x + ops.repeat(ops.expand_dims(context, 1), x.shape[1], axis=1)

    def compute_output_shape(self, x_shape):
        return x_shape


TranscriptOptions = options_of(
    Transcript,
    ("symbols", "steps", "modality", "weight"),
    checks={
        "units": COUNT,
        "memory": WHOLE,
        "dropout": SHARE,
        "context": or_none(FLAG),
    },
)
