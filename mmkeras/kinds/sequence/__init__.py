"""A class for each step of time."""

from collections.abc import Sequence as Several
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from mmkeras.kinds.category import Category
from mmkeras.metrics import Figures, cross_entropy, per_step, step_classes
from mmkeras.spec.registry import register_target
from mmkeras.spec.target import Separator


@register_target
class Sequence(Category):
    """A class for each step of time, for the detection of changes.

    Args:
        kind: "sequence".
        column: Manifest column with the classes of all steps in their order;
            empty means no label, and so does nothing between two separators
            for that step.
        classes: The classes, in the order of the model's output.
        weight: Weight of this target's loss.
        steps: Steps, the same number for every sample, spread evenly over
            the length of `modality`.
        modality: Modality whose tokens tell the steps apart.
        separator: What stands between two steps in the column.
    """

    kind: Literal["sequence"]
    steps: Annotated[int, Field(ge=2, le=10_000)]
    modality: Annotated[str, Field(max_length=40)] | None = None
    separator: Separator = "|"
    stratifies: ClassVar[bool] = False
    boosts: ClassVar[bool] = False
    device_keys: ClassVar[tuple[str, ...]] = ("classes", "steps")
    web: ClassVar[str | None] = None
    counted: ClassVar[str] = "Steps"

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.steps,)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (self.steps,)

    def figures(
        self,
        labels: np.ndarray,
        outputs: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> Figures:
        return step_classes(labels, outputs, weights)

    def errors(
        self, labels: np.ndarray, outputs: np.ndarray, weights: np.ndarray
    ) -> np.ndarray | None:
        known = per_step(labels, weights) > 0
        each = cross_entropy(labels, outputs) * known
        return each.sum(axis=1) / known.sum(axis=1)

    def spell(self, label: np.ndarray, output: np.ndarray) -> dict[str, Any]:
        return {
            "label": self._runs(label.astype(int)),
            "answer": self._runs(output.argmax(axis=-1)),
            "probability": None,
        }

    def _runs(self, steps: np.ndarray) -> list[str]:
        """Returns what stays the same for how many steps: "walk × 12"."""
        starts = np.flatnonzero(np.r_[True, steps[1:] != steps[:-1]])
        lengths = np.diff(np.r_[starts, len(steps)])
        return [
            f"{self.classes[steps[start]]} × {length}"
            for start, length in zip(starts, lengths, strict=True)
        ]

    def split(self, cell: str) -> list[str]:
        return cell.split(self.separator)

    def join(self, names: Several[str]) -> str:
        if len(names) != self.steps:
            raise ValueError(f"{len(names)} steps instead of {self.steps}")
        return self.separator.join(names)
