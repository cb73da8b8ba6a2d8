"""A label for spans of a text: names, drugs, diseases."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pydantic
from pydantic import Field

from mmkeras.metrics import (
    Figures,
    entities,
    find_spans,
    missed_spans,
    weighted_share,
)
from mmkeras.spec.registry import register_target
from mmkeras.spec.tables import DISTINCT, Columns
from mmkeras.spec.target import Target, check_modalities

Name = Annotated[str, Field(max_length=40)]


@register_target
class Tags(Target):
    """A label for spans of a text, such as names, drugs or diseases.

    A cell holds the spans of a text in its characters, the first being 0 and
    the end behind the last one, in one of these forms:
    `[{"start": 3, "end": 9, "label": "drug"}]` or `[[3, 9, "drug"]]`, `[]`
    where there are none; `drug:3,9;disease:12,20`, `;` alone where there are
    none; a tag a word, `O B-drug I-drug`; or the path of a file: JSON as
    above (`.json`), or brat's annotations (`.ann`). Empty means no label.

    Args:
        kind: "tags".
        column: Manifest column with the spans of a text.
        modality: The text, a text modality, whose tokens are tagged.
        classes: The labels, in the order of the model's output.
        weight: Weight of this target's loss.
        cut: What happens to a span that ends inside a token, or reaches
            beyond `max_tokens` of its text: "refuse" leaves the sample out,
            "fit" takes all of the token, and leaves out what is beyond.
    """

    kind: Literal["tags"]
    modality: Name
    classes: Annotated[Columns, DISTINCT] = Field(min_length=1)
    cut: Literal["refuse", "fit"] = "refuse"
    dtype: ClassVar[str] = "int32"
    read_with_sample: ClassVar[bool] = True
    # Augmentation that moves tokens is refused.
    moved_by: ClassVar[tuple[str, ...]] = ("space",)
    headline: ClassVar[str] = "entity_f1"
    guard: ClassVar[str] = "entity_f1"
    training_metric: ClassVar[str] = "accuracy"
    activation: ClassVar[str | None] = "softmax"
    baseline: ClassVar[str] = "nothing found"
    web: ClassVar[str | None] = "spans"
    counted: ClassVar[str] = "Spans"
    device_keys: ClassVar[tuple[str, ...]] = ("classes", "modality")
    device_uses: ClassVar[tuple[str, ...]] = ("tokenizer.py", "offsets.py")
    device_shares: ClassVar[tuple[str, ...]] = (
        "mmkeras.metrics.tagged_spans",
        "mmkeras.kinds.tags.token_places",
    )
    # Tokens of the modality, which its spec tells.
    _tokens: int | None = pydantic.PrivateAttr(None)

    @property
    def tokens(self) -> int:
        """Tokens of a text."""
        if self._tokens is None:
            raise ValueError(
                "Tags must be part of a spec, whose modality tells how many "
                f"tokens there are. Received: tags of `{self.modality}` by "
                "themselves"
            )
        return self._tokens

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.tokens,)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (self.tokens,)

    @property
    def outputs(self) -> int:
        """Tags of a token: outside, and first or further one of a label."""
        return 1 + 2 * len(self.classes)

    @property
    def reads_with(self) -> tuple[str, ...]:
        return (self.modality,)

    @property
    def moves_with(self) -> str | None:
        return self.modality

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.classes

    def check(self, name: str, modalities: Mapping[str, Any]) -> None:
        texts = {
            key: each
            for key, each in modalities.items()
            if each.learned_file == "tokenizer"
        }
        key, what = f"targets.{name}.modality", "a modality of texts"
        check_modalities(key, [self.modality], texts, what)
        (self._tokens,) = texts[self.modality].shape

    def figures(
        self,
        labels: np.ndarray,
        outputs: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> Figures:
        return entities(labels, outputs, weights, self.classes)

    def agreement(
        self,
        one: np.ndarray,
        other: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> float | None:
        return weighted_share(
            one.argmax(axis=-1) == other.argmax(axis=-1), weights
        )

    def errors(
        self, labels: np.ndarray, outputs: np.ndarray, weights: np.ndarray
    ) -> np.ndarray | None:
        return missed_spans(labels, outputs, weights)

    def constant(
        self, facts: Mapping[str, Any], train_samples: int | None = None
    ) -> np.ndarray | None:
        return np.eye(self.outputs)[np.zeros(self.tokens, int)]

    def spell(self, label: np.ndarray, output: np.ndarray) -> dict[str, Any]:
        return {
            "label": self._told(label),
            "answer": self._told(output.argmax(axis=-1)),
            "probability": None,
        }

    def _told(self, tags: np.ndarray) -> str:
        """Returns labels with their tokens: "drug 3, disease 5 to 7"."""
        found = [
            f"{self.classes[label]} {start}"
            + (f" to {end - 1}" if end - start > 1 else "")
            for start, end, label in find_spans(tags)
        ]
        return ", ".join(found) or "-"

    def show(
        self,
        label: Any,
        output: np.ndarray,
        values: Mapping[str, Any],
        learned: Mapping[str, Path] | None = None,
    ) -> list[dict[str, str]] | None:
        return self.ask("show", "show", label, output, values, learned or {})

    def answer_cell(self, output: np.ndarray) -> str:
        return self._cell(output.argmax(axis=-1))

    def label_cell(self, label: np.ndarray, weight: np.ndarray) -> str:
        return self._cell(label)

    def _cell(self, tags: np.ndarray) -> str:
        """Returns spans as JSON, in tokens: a batch knows no characters."""
        spans = [
            {"first_token": start, "last_token": end - 1,
             "label": self.classes[label]}
            for start, end, label in find_spans(tags)
        ]  # fmt: skip
        return json.dumps(spans)

    def device_entry(self, name: str, folder: Path) -> dict[str, Any]:
        """Adds how many tokens there are."""
        return {**super().device_entry(name, folder), "tokens": self.tokens}
