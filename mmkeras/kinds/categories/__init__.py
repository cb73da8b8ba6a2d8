"""Any number of classes at once."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from mmkeras.kinds.category import Category
from mmkeras.metrics import (
    THRESHOLD,
    Decisions,
    Figures,
    any_classes,
    binary_cross_entropy,
    multi_label,
    weighted_share,
)
from mmkeras.spec.registry import register_target
from mmkeras.spec.target import Separator


@register_target
class Categories(Category):
    """Any number of classes at once (multi-label).

    Args:
        kind: "categories".
        column: Manifest column with the classes; empty means no label, the
            separator alone none of the classes.
        classes: The classes, in the order of the model's output.
        weight: Weight of this target's loss.
        separator: What stands between two classes in the column.
    """

    kind: Literal["categories"]
    separator: Separator = "|"
    dtype: ClassVar[str] = "float32"
    stratifies: ClassVar[bool] = False
    boosts: ClassVar[bool] = False
    sparse: ClassVar[bool] = True
    headline: ClassVar[str] = "macro_f1"
    guard: ClassVar[str] = "macro_f1"
    activation: ClassVar[str | None] = "sigmoid"
    baseline: ClassVar[str] = "class frequencies"
    web: ClassVar[str | None] = "classes"

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.classes),)

    def facts(self, values: np.ndarray, weights: np.ndarray) -> dict[str, Any]:
        # A product copies no rows.
        known = np.asarray(weights) > 0
        return self._counts(known.astype(values.dtype) @ values)

    def figures(
        self,
        labels: np.ndarray,
        outputs: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> Figures:
        return multi_label(labels, outputs, weights)

    def decisions(
        self,
        labels: np.ndarray,
        outputs: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> Decisions | None:
        return any_classes(labels, outputs, weights)

    def agreement(
        self,
        one: np.ndarray,
        other: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> float | None:
        return weighted_share(
            (one >= THRESHOLD) == (other >= THRESHOLD), weights
        )

    def errors(
        self, labels: np.ndarray, outputs: np.ndarray, weights: np.ndarray
    ) -> np.ndarray | None:
        return binary_cross_entropy(labels, outputs)

    def spell(self, label: np.ndarray, output: np.ndarray) -> dict[str, Any]:
        return {
            "label": self._chosen(label > 0.5),
            "answer": self._chosen(output >= THRESHOLD),
            "probability": None,
        }

    def answer_cell(self, output: np.ndarray) -> str:
        return self.join(self._chosen(output >= THRESHOLD))

    def label_cell(self, label: np.ndarray, weight: np.ndarray) -> str:
        return self.join(self._chosen(label > 0.5))

    def _chosen(self, chosen: Sequence[bool]) -> list[str]:
        named = zip(self.classes, chosen, strict=True)
        return [name for name, is_chosen in named if is_chosen]

    def constant(
        self, facts: Mapping[str, Any], train_samples: int | None = None
    ) -> np.ndarray | None:
        if not train_samples or "counts" not in facts:
            return None
        return self.counts_of(facts) / train_samples

    def probabilities(self, outputs: np.ndarray) -> np.ndarray | None:
        outputs = outputs.astype("float64")
        return np.stack([1 - outputs, outputs], axis=-1)

    def cell_of(self, answers: Sequence[int]) -> str:
        return self.join(self._chosen(answers))

    def split(self, cell: str) -> list[str]:
        none = cell.strip() == self.separator
        return [] if none else cell.split(self.separator)

    def join(self, names: Sequence[str]) -> str:
        return self.separator.join(names) if names else self.separator
