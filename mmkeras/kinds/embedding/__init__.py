"""A vector by which samples of one identity find each other."""

from typing import Any, ClassVar, Literal

import numpy as np

from mmkeras.metrics import (
    Figures,
    nearest,
    recall_within,
    weighted_share,
)
from mmkeras.spec.registry import register_target
from mmkeras.spec.target import Target


@register_target
class Embedding(Target):
    """A vector by which samples of one identity find each other.

    Args:
        kind: "embedding".
        column: Manifest column with the identity, any text, such as a person
            or a product; empty means unknown.
        weight: Weight of this target's loss.
    """

    kind: Literal["embedding"]
    dtype: ClassVar[str] = "int32"
    # No identity has this number.
    unlabelled: ClassVar[float] = -1
    headline: ClassVar[str] = "recall_at_1"
    guard: ClassVar[str] = "recall_at_1"
    training_metric: ClassVar[str] = "recall_at_1"

    @property
    def category_columns(self) -> tuple[str, ...]:
        return (self.column,)

    def facts(self, values: np.ndarray, weights: np.ndarray) -> dict[str, Any]:
        known = np.asarray(values)[np.asarray(weights) > 0]
        return {"identities": len(np.unique(known))}

    def figures(
        self,
        labels: np.ndarray,
        outputs: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> Figures:
        return recall_within(labels, outputs, weights)

    def agreement(
        self,
        one: np.ndarray,
        other: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> float | None:
        return weighted_share(nearest(one) == nearest(other), weights)
