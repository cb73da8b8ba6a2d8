"""The head for a text that is written, such as a caption or an answer."""

from dataclasses import dataclass
from typing import Any, ClassVar

import keras
from keras import ops

from mmkeras.heads.text_decoder import TextDecoder
from mmkeras.introspection import options_of

# Facts of the spec and of the data, beside the options of a recipe.
FACTS = ("letters", "length", "references", "prompt", "weight")


@dataclass(frozen=True)
class WrittenText:
    """A text, letter by letter, behind what the towers have read.

    Args:
        letters: The characters that are known.
        length: Characters of the longest text, its end among them.
        references: Texts of a label.
        prompt: Modality whose tokens stand right before the text.
        weight: Weight of the loss among several targets.
        units: Width of the decoder.
        depth: Blocks of the decoder.
        heads: Attention heads of each.
        dropout: Dropout rate of what is read.
        label_smoothing: Share of the target probability that is spread over
            all letters.

    Call arguments: fused `(batch, units)`, and `features`, the towers'
    outputs by modality. Output: see `TextDecoder`; labels are `(batch,
    references * length)` code points, 0 from the end on, with a weight each.
    """

    letters: str
    length: int
    references: int = 1
    prompt: str | None = None
    weight: float = 1.0
    units: int = 64
    depth: int = 2
    heads: int = 4
    dropout: float = 0.1
    label_smoothing: float = 0.0
    activation: ClassVar[str] = "linear"
    # Its loss reads the labels through the layer of the output.
    scores_by_layer: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.letters:
            raise ValueError(
                "`letters` must be the characters of the training texts. "
                "Received: none, as where no training sample has a label"
            )
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(
                "`label_smoothing` must be from 0, below 1. Received: "
                f"{self.label_smoothing}"
            )

    def __call__(self, fused: Any, name: str, features: Any = None) -> Any:
        names = sorted(features or {}, key=lambda n: (n == self.prompt, n))
        decoder = TextDecoder(
            "".join(sorted(set(self.letters))),
            self.length,
            self.references,
            self.units,
            self.depth,
            self.heads,
            self.dropout,
            name=name,
        )
        return decoder(
            fused,
            [features[each]["tokens"] for each in names],
            [features[each]["mask"] for each in names],
        )

    def finish(self, output: Any, name: str) -> Any:
        raise ValueError(
            "A late fusion must have targets with one output a sample. "
            f"Received: the text `{name}`; choose another fusion"
        )

    def loss(self, layer: Any) -> keras.losses.Loss:
        return TextCrossentropy(layer, self.label_smoothing)

    def metrics(self, layer: Any) -> list[keras.metrics.Metric]:
        return [LetterAccuracy(layer, name="letter_accuracy")]


@keras.saving.register_keras_serializable(package="mmkeras")
class TextCrossentropy(keras.losses.Loss):
    """Cross-entropy of each letter, with all before it known.

    Args:
        layer: The `TextDecoder` of the output.
        label_smoothing: Share of the target probability spread evenly.

    Labels: code points, `(batch, references * length)`.
    """

    def __init__(
        self,
        layer=None,
        label_smoothing=0.0,
        name="text_crossentropy",
        reduction="sum_over_batch_size",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.layer = layer
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        likely, ids = self.layer.log_probabilities(y_pred, y_true)
        wanted = ops.one_hot(ids, likely.shape[-1], dtype=likely.dtype)
        smooth = self.label_smoothing
        wanted = wanted * (1 - smooth) + smooth / likely.shape[-1]
        return -ops.sum(wanted * likely, axis=-1)

    def get_config(self):
        # The layer is part of the model, and not of what it is compiled with.
        return {
            **super().get_config(),
            "label_smoothing": self.label_smoothing,
        }


@keras.saving.register_keras_serializable(package="mmkeras")
class LetterAccuracy(keras.metrics.Mean):
    """How often the likeliest letter is the true one, those before known.

    Args:
        layer: The `TextDecoder` of the output.
    """

    def __init__(self, layer=None, name="letter_accuracy", dtype=None):
        super().__init__(name=name, dtype=dtype)
        # Past Keras, which would count its weights as the metric's.
        object.__setattr__(self, "layer", layer)

    def update_state(self, y_true, y_pred, sample_weight=None):
        likely, ids = self.layer.log_probabilities(y_pred, y_true)
        best = ops.cast(ops.argmax(likely, axis=-1), ids.dtype)
        super().update_state(ops.equal(best, ids), sample_weight)


WrittenTextOptions = options_of(WrittenText, FACTS)
