"""One class of several that have an order."""

from typing import ClassVar, Literal

import numpy as np

from mmkeras.kinds.category import Category
from mmkeras.metrics import Figures, ordered_classes, rank_of
from mmkeras.spec.registry import register_target


@register_target
class Ordinal(Category):
    """One class of several that have an order, such as a grade.

    Args:
        kind: "ordinal".
        column: Manifest column with the class; empty means no label.
        classes: The classes, from the lowest to the highest.
        weight: Weight of this target's loss.
    """

    kind: Literal["ordinal"]
    boosts: ClassVar[bool] = False
    web: ClassVar[str | None] = "grade"

    def decide(self, outputs: np.ndarray) -> np.ndarray:
        return rank_of(outputs)

    def figures(
        self,
        labels: np.ndarray,
        outputs: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> Figures:
        return ordered_classes(labels, outputs, weights)
