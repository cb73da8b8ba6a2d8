"""One class of several."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from mmkeras.metrics import (
    Decisions,
    Figures,
    cross_entropy,
    one_class,
    single_label,
    weighted_share,
)
from mmkeras.spec.registry import register_target
from mmkeras.spec.tables import DISTINCT, Columns
from mmkeras.spec.target import Target


@register_target
class Category(Target):
    """One class of several.

    Args:
        kind: "category".
        column: Manifest column with the class; empty means no label.
        classes: The classes, in the order of the model's output.
        weight: Weight of this target's loss.
    """

    kind: Literal["category"]
    classes: Annotated[Columns, DISTINCT] = Field(min_length=2)
    dtype: ClassVar[str] = "int32"
    stratifies: ClassVar[bool] = True
    boosts: ClassVar[bool] = True
    proposes: ClassVar[bool] = True
    headline: ClassVar[str] = "accuracy"
    guard: ClassVar[str] = "accuracy"
    training_metric: ClassVar[str] = "accuracy"
    activation: ClassVar[str | None] = "softmax"
    device_keys: ClassVar[tuple[str, ...]] = ("classes",)
    web: ClassVar[str | None] = "class"

    @property
    def category_columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.classes

    def facts(self, values: np.ndarray, weights: np.ndarray) -> dict[str, Any]:
        known = np.asarray(values)[np.asarray(weights) > 0]
        return self._counts(np.bincount(known, minlength=len(self.classes)))

    def _counts(self, counts: np.ndarray) -> dict[str, Any]:
        named = zip(self.classes, counts, strict=True)
        return {"counts": {name: int(count) for name, count in named}}

    def decide(self, outputs: np.ndarray) -> np.ndarray:
        """Returns the class that is answered: indices, without an axis."""
        return outputs.argmax(axis=-1)

    def figures(
        self,
        labels: np.ndarray,
        outputs: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> Figures:
        return single_label(labels, outputs, weights)

    def decisions(
        self,
        labels: np.ndarray,
        outputs: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> Decisions | None:
        return one_class(labels, outputs, weights, self.decide(outputs))

    def agreement(
        self,
        one: np.ndarray,
        other: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> float | None:
        return weighted_share(self.decide(one) == self.decide(other), weights)

    def errors(
        self, labels: np.ndarray, outputs: np.ndarray, weights: np.ndarray
    ) -> np.ndarray | None:
        return cross_entropy(labels, outputs)

    def spell(self, label: np.ndarray, output: np.ndarray) -> dict[str, Any]:
        best = int(self.decide(output))
        return {
            "label": self.classes[int(label)],
            "answer": self.classes[best],
            "probability": float(output[best]),
        }

    def label_cell(self, label: np.ndarray, weight: np.ndarray) -> str:
        return self.classes[int(label)]

    def constant(
        self, facts: Mapping[str, Any], train_samples: int | None = None
    ) -> np.ndarray | None:
        counts = self.counts_of(facts)
        return None if not counts.any() else counts / counts.sum()

    def counts_of(self, facts: Mapping[str, Any]) -> np.ndarray:
        """Returns how many training samples have each class, `(classes,)`."""
        counts = facts.get("counts", {})
        return np.array([counts.get(name, 0) for name in self.classes])

    def probabilities(self, outputs: np.ndarray) -> np.ndarray | None:
        outputs = outputs.astype("float64")
        found = outputs.reshape(len(outputs), -1, outputs.shape[-1])
        return found / found.sum(axis=-1, keepdims=True)

    def cell_of(self, answers: Sequence[int]) -> str:
        return self.join([self.classes[answer] for answer in answers])
