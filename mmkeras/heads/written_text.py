"""The head for a text that is written, such as a caption or an answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
from keras import ops

from mmkeras.generation import FIRST
from mmkeras.heads.text_cross import CrossTextDecoder
from mmkeras.heads.text_decoder import TextDecoder
from mmkeras.heads.text_hub import HubCrossTextDecoder, HubTextDecoder
from mmkeras.heads.text_models import CAUSAL, HUB, config_of
from mmkeras.introspection import options_of
from mmkeras.values import FLAG, PATH, one_of, or_none

# Facts of the spec and of the data, beside the options of a recipe.
FACTS = (*("letters", "length", "references", "text_size", "prompt", "weight"),)
NAMES = (
    "a list of names, or None",
    lambda v: (
        v is None
        or (isinstance(v, list | tuple) and all(isinstance(n, str) for n in v))
    ),
)
DECODERS = {"prefix": TextDecoder, "cross_attention": CrossTextDecoder}


@dataclass(frozen=True)
class WrittenText:
    """A text, letter by letter, behind what the towers have read.

    Args:
        letters: The characters that are known, or a list of words.
        length: Tokens of the longest text, its end among them.
        references: Texts of a label.
        text_size: Code points of each text before its words in a label; 0
            where characters are written.
        prompt: Modality whose tokens stand right before the text.
        weight: Weight of the loss among several targets.
        units: Width of the decoder.
        depth: Blocks of the decoder.
        heads: Attention heads of each.
        dropout: Dropout rate of what is read.
        label_smoothing: Share of the target probability that is spread over
            all letters.
        decoder: "prefix": the letters follow what was read as one sequence;
            "cross_attention": they look at it. Or a language model of
            keras_hub: "gpt2", "llama", "mistral", "qwen3", "gemma", or
            "bart", whose decoder looks at what was read.
        pretrained: Name or local folder of a keras_hub preset of that
            language model, which then says its size; its weights start at
            random without it.
        frozen: Whether the language model keeps its weights: the projector
            alone is trained, and what `lora_rank` adds where `lora_patterns`
            match, such as "caption/backbone/*/query".
        reads: Modalities whose tokens are read beside the fused vector; None
            for all.

    Call arguments: fused `(batch, units)`, and `features`, the towers'
    outputs by modality. Output: see `TextDecoder`; labels are `(batch,
    references * length)` code points, 0 from the end on, with a weight each.
    """

    letters: str | list[str]
    length: int
    references: int = 1
    text_size: int = 0
    prompt: str | None = None
    weight: float = 1.0
    units: int = 64
    depth: int = 2
    heads: int = 4
    dropout: float = 0.1
    label_smoothing: float = 0.0
    decoder: str = "prefix"
    pretrained: str | None = None
    frozen: bool = False
    reads: tuple[str, ...] | None = None
    activation: ClassVar[str] = "linear"
    # Its loss reads the labels through the layer of the output.
    scores_by_layer: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.letters:
            raise ValueError(
                "`letters` must be characters or words of training texts. "
                "Received: none, as where no training sample has a label"
            )
        if (self.pretrained or self.frozen) and self.decoder not in HUB:
            raise ValueError(
                "`pretrained` and `frozen` go with a language model as "
                f"`decoder`: {', '.join(HUB)}. Received: "
                f"decoder={self.decoder!r}"
            )
        if self.units % self.heads:
            raise ValueError(
                "`heads` must divide `units`. Received: "
                f"heads={self.heads}, units={self.units}"
            )
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(
                "`label_smoothing` must be from 0, below 1. Received: "
                f"{self.label_smoothing}"
            )

    def __call__(self, fused: Any, name: str, features: Any = None) -> Any:
        features = features or {}
        strange = sorted(set(self.reads or ()) - set(features))
        if strange:
            raise ValueError(
                f"`reads` of `{name}` must be modalities. Received: "
                f"{strange}. Choices: {sorted(features)}"
            )
        names = sorted(
            features if self.reads is None else self.reads,
            key=lambda each: (each == self.prompt, each),
        )
        tokens = [features[each]["tokens"] for each in names]
        masks = [features[each]["mask"] for each in names]
        if self.decoder in HUB:
            return self.hub(name, fused, tokens, masks)
        decoder = DECODERS[self.decoder](
            letters_of(self.letters),
            self.length,
            self.references,
            self.units,
            self.depth,
            self.heads,
            self.dropout,
            self.text_size,
            name=name,
        )
        return decoder(fused, tokens, masks)

    def hub(self, name: str, fused: Any, tokens: Any, masks: Any) -> Any:
        """Writes by a language model of keras_hub."""
        from mmkeras.heads import text_preset

        letters = letters_of(self.letters)
        size = FIRST + len(letters)
        places = 1 + sum(each.shape[1] for each in tokens) + self.length
        preset = None
        if self.pretrained:
            preset = text_preset.open_preset(self.decoder, self.pretrained)
            config = text_preset.preset_config(preset[0], size, places)
        else:
            config = config_of(
                self.decoder, size, places, self.units, self.depth, self.heads,
                self.dropout,
            )  # fmt: skip
        layer = (
            HubTextDecoder if self.decoder in CAUSAL else HubCrossTextDecoder
        )
        layer = layer(
            letters, self.length, self.references, self.text_size,
            self.decoder, config, self.frozen, name=name,
        )  # fmt: skip
        found = layer(fused, tokens, masks)
        if preset:
            text_preset.take_over(layer, *preset)
        return found

    def finish(self, output: Any, name: str) -> Any:
        raise ValueError(
            "A late fusion must have targets with one output a sample. "
            f"Received: the text `{name}`; choose another fusion"
        )

    def loss(self, layer: Any) -> keras.losses.Loss:
        return TextCrossentropy(layer, self.label_smoothing)

    def metrics(self, layer: Any) -> list[keras.metrics.Metric]:
        return [LetterAccuracy(layer, name="letter_accuracy")]


def letters_of(letters: str | Sequence[str]) -> str | list[str]:
    """Returns each letter once, sorted."""
    found = sorted(set(letters))
    return "".join(found) if isinstance(letters, str) else found


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
        return self.layer.at_labels(-ops.sum(wanted * likely, axis=-1))

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
        right = self.layer.at_labels(ops.equal(best, ids))
        super().update_state(right, sample_weight)


WrittenTextOptions = options_of(
    WrittenText,
    FACTS,
    checks={
        "decoder": one_of(*DECODERS, *HUB),
        "pretrained": or_none(PATH),
        "frozen": FLAG,
        "reads": NAMES,
    },
    roles={"pretrained": "preset"},
)
