"""How far a sample is from normal."""

from collections.abc import Container, Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pydantic
from pydantic import Field

from mmkeras.metrics import Description, Figures, anomalies
from mmkeras.spec.registry import register_target
from mmkeras.spec.tables import Column
from mmkeras.spec.target import Target, check_modalities

Name = Annotated[str, Field(max_length=40)]
# TOML has lists only; a tuple keeps the spec immutable.
Names = Annotated[tuple[Name, ...], Field(strict=False, max_length=32)]
Labels = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=100)], ...],
    Field(strict=False, min_length=1, max_length=1000),
]
UNKNOWN, NORMAL = -1, 0


@register_target
class Anomaly(Target):
    """How far a sample is from normal; no label is needed to learn it.

    Args:
        kind: "anomaly".
        column: Manifest column that says what a sample is, for evaluation;
            empty means that nobody knows. Left out, nothing is known of any.
        normal: What it says of a normal sample, one name or several.
        abnormal: What it says of an abnormal one. Any other name is left out
            of training and evaluation; left out itself, any other name is
            abnormal. A sample that is, is not trained on.
        modalities: What is judged; left out, all of them.
        given: Modalities that it is judged by, where not by itself: how
            surprising a beat is after those before it.
        false_alarms: Share of normal validation samples that may be above the
            threshold.
        weight: Weight of this target's loss.
    """

    kind: Literal["anomaly"]
    column: Column | None = None
    normal: Labels | None = None
    abnormal: Labels | None = None
    modalities: Names = ()
    given: Names = ()
    false_alarms: Annotated[float, Field(gt=0, le=1)] = 0.05
    read_with_sample: ClassVar[bool] = True
    learns_unlabelled: ClassVar[bool] = True
    dtype: ClassVar[str] = "int32"
    unlabelled: ClassVar[float] = UNKNOWN
    headline: ClassVar[str] = "roc_auc"
    guard: ClassVar[str] = "roc_auc"
    own_figures: ClassVar[Mapping[str, Description]] = {}
    training_metric: ClassVar[str] = "score"

    @pydantic.model_validator(mode="after")
    def _said(self) -> "Anomaly":
        if (self.column is None) != (self.normal is None):
            raise ValueError(
                "`normal` must say which names in `column` are normal, and "
                f"stands beside it alone. Received: column={self.column!r}, "
                f"normal={self.normal!r}"
            )
        both = {*(self.normal or ())} & {*(self.abnormal or ())}
        if both or (self.abnormal and not self.column):
            raise ValueError(
                "`abnormal` must be further names in `column`. Received: "
                f"{sorted(both or self.abnormal or ())}"
            )
        return self

    @property
    def manifest_columns(self) -> tuple[str, ...]:
        return () if self.column is None else (self.column,)

    def check(self, name: str, modalities: Mapping[str, Any]) -> None:
        for key in ("modalities", "given"):
            names = getattr(self, key)
            check_modalities(f"targets.{name}.{key}", names, modalities)

    def among(self, modalities: Container[str]) -> "Anomaly":
        kept = {
            key: tuple(n for n in getattr(self, key) if n in modalities)
            for key in ("modalities", "given")
        }
        return self.model_copy(update=kept)

    def has_label(self, cells: Mapping[str, str]) -> bool:
        # What nobody knows of is what it learns from.
        return True

    def facts(self, values: np.ndarray, weights: np.ndarray) -> dict[str, Any]:
        return {}

    def figures(
        self,
        labels: np.ndarray,
        outputs: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> Figures:
        return anomalies(labels, outputs, weights, self.abnormal or ())

    def agreement(
        self,
        one: np.ndarray,
        other: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> float | None:
        """Returns for which share of all pairs both rank them alike."""
        from scipy.stats import kendalltau

        used = np.ones(len(one), bool)
        if weights is not None and np.any(weights):
            used = np.asarray(weights) > 0
        found = kendalltau(one[used].ravel(), other[used].ravel()).statistic
        # Of equal scores no pair has an order.
        return 1.0 if np.isnan(found) else float((1 + found) / 2)

    def errors(
        self, labels: np.ndarray, outputs: np.ndarray, weights: np.ndarray
    ) -> np.ndarray | None:
        """How far on the wrong side; of what nobody knows, how strange."""
        away = np.log(np.maximum(outputs[:, 0], 1e-9))
        return np.where(labels > 0, -away, away)

    def spell(self, label: np.ndarray, output: np.ndarray) -> dict[str, Any]:
        return {
            "label": self._named(int(label)),
            "answer": f"{self.answer_cell(output)} ({float(output[0]):.3g})",
            "probability": None,
        }

    def answer_cell(self, output: np.ndarray) -> str:
        return "anomalous" if output[0] > 1 else self._named(NORMAL)

    def label_cell(self, label: np.ndarray, weight: np.ndarray) -> str:
        return self._named(int(label)) if int(label) >= 0 else ""

    def _named(self, label: int) -> str:
        if label == UNKNOWN:
            return "unknown"
        if label == NORMAL:
            return self.normal[0] if self.normal else "normal"
        return self.abnormal[label - 1] if self.abnormal else "anomalous"
