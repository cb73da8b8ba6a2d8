"""A number in its own unit."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from mmkeras.metrics import Figures, regression
from mmkeras.spec.registry import register_target
from mmkeras.spec.target import Target

# Points of a scatter plot; more would only blacken it.
MAX_POINTS = 1000


@register_target
class Number(Target):
    """A number in its own unit.

    Args:
        kind: "number".
        column: Manifest column with the number; empty means no label.
        weight: Weight of this target's loss.
        unit: The unit, for reports.
    """

    kind: Literal["number"]
    unit: Annotated[str, Field(max_length=40)] = ""
    headline: ClassVar[str] = "mae"
    guard: ClassVar[str] = "r2"
    training_metric: ClassVar[str] = "rmse"
    activation: ClassVar[str | None] = "linear"
    baseline: ClassVar[str] = "mean of training"
    device_keys: ClassVar[tuple[str, ...]] = ("unit",)
    web: ClassVar[str] = "number"

    @property
    def number_columns(self) -> tuple[str, ...]:
        return (self.column,)

    def facts(self, values: np.ndarray, weights: np.ndarray) -> dict[str, Any]:
        known = np.asarray(values)[np.asarray(weights) > 0]
        if not len(known):
            return {"mean": 0.0, "std": 1.0}
        return {"mean": float(known.mean()), "std": float(known.std())}

    def figures(
        self,
        labels: np.ndarray,
        outputs: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> Figures:
        return regression(labels, outputs, weights)

    def points(
        self, labels: np.ndarray, outputs: np.ndarray, weights: np.ndarray
    ) -> list[list[float]] | None:
        rows = np.flatnonzero(weights > 0)
        if len(rows) > MAX_POINTS:
            rows = rows[np.linspace(0, len(rows) - 1, MAX_POINTS).astype(int)]
        pairs = np.stack([labels[rows], outputs[rows, 0]], axis=1)
        return pairs.astype("float64").tolist()

    def errors(
        self, labels: np.ndarray, outputs: np.ndarray, weights: np.ndarray
    ) -> np.ndarray | None:
        return np.abs(outputs[:, 0] - labels)

    def spell(self, label: np.ndarray, output: np.ndarray) -> dict[str, Any]:
        return {
            "label": float(label),
            "answer": float(output[0]),
            "probability": None,
        }

    def constant(
        self, facts: Mapping[str, Any], train_samples: int | None = None
    ) -> np.ndarray | None:
        return np.array([facts["mean"]]) if "mean" in facts else None
