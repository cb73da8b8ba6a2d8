"""Boxes of several classes in a picture."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from mmkeras.metrics import (
    SURE,
    Figures,
    average_precision,
    box_errors,
    find_boxes,
    same_boxes,
)
from mmkeras.spec.registry import register_target
from mmkeras.spec.tables import DISTINCT, Columns
from mmkeras.spec.target import Target, check_modalities

Name = Annotated[str, Field(max_length=40)]
File = Annotated[str, Field(min_length=1, max_length=300)]


@register_target
class Boxes(Target):
    """Boxes of several classes in a picture.

    A cell holds the boxes themselves, `name:x,y,width,height;...`, `;` alone
    where there are none; or as JSON, `[["name", left, top, right, bottom],
    ...]`, `[]` where there are none; or the path of a Pascal VOC file
    (`.xml`); or with `coco` the name of a picture in that file. Empty means
    no label.

    Args:
        kind: "boxes".
        column: Manifest column with the boxes of a picture.
        modality: The picture, an image modality, that they lie in. They go
            with it where it is resized, cut, padded or augmented.
        classes: The classes, in the order of the model's output.
        weight: Weight of this target's loss.
        coco: Path of a COCO file (`.json`) with the boxes of all pictures.
        unit: What the numbers of a cell are: "pixels" of the upright picture,
            or "share" of its width and height.
        max_boxes: Most boxes of a picture; the smallest of more are left out.
        least_score: Probability from which the device tells a box.
    """

    kind: Literal["boxes"]
    modality: Name
    classes: Annotated[Columns, DISTINCT] = Field(min_length=1)
    coco: File | None = None
    unit: Literal["pixels", "share"] = "pixels"
    max_boxes: Annotated[int, Field(ge=1, le=1000)] = 100
    least_score: Annotated[float, Field(gt=0, lt=1)] = SURE
    read_with_sample: ClassVar[bool] = True
    moved_by: ClassVar[tuple[str, ...]] = ("space",)
    headline: ClassVar[str] = "ap"
    guard: ClassVar[str] = "ap50"
    training_metric: ClassVar[str] = "overlap"
    baseline: ClassVar[str] = "nothing found"
    web: ClassVar[str | None] = "boxes"
    device_keys: ClassVar[tuple[str, ...]] = (
        "classes",
        "modality",
        "least_score",
    )
    device_shares: ClassVar[tuple[str, ...]] = ("mmkeras.metrics.detections",)

    @property
    def shape(self) -> tuple[int, ...]:
        """Boxes, each left, top, right, bottom, in shares, and its class."""
        return (self.max_boxes, 5)

    @property
    def reads_with(self) -> tuple[str, ...]:
        return (self.modality,)

    @property
    def moves_with(self) -> str:
        return self.modality

    @property
    def skips_of(self) -> tuple[str, ...]:
        return (self.modality,)

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.classes

    def check(self, name: str, modalities: Mapping[str, Any]) -> None:
        # A picture has rows, columns and channels.
        pictures = [
            key
            for key, each in modalities.items()
            if each.has_pixels and len(each.shape) == 3
        ]
        key, what = f"targets.{name}.modality", "a modality of pictures"
        check_modalities(key, [self.modality], pictures, what)

    def figures(
        self,
        labels: np.ndarray,
        outputs: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> Figures:
        return average_precision(labels, outputs, weights, self.classes)

    def agreement(
        self,
        one: np.ndarray,
        other: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> float | None:
        return same_boxes(one, other, weights)

    def errors(
        self, labels: np.ndarray, outputs: np.ndarray, weights: np.ndarray
    ) -> np.ndarray | None:
        return box_errors(labels, outputs)

    def spell(self, label: np.ndarray, output: np.ndarray) -> dict[str, Any]:
        found = find_boxes(output, self.least_score)
        return {
            "label": self._counted(label[label[:, 4] >= 0, 4]),
            "answer": self._counted(found[:, 5]),
            "probability": None,
        }

    def _counted(self, numbers: np.ndarray) -> str:
        counts = np.bincount(numbers.astype(int), minlength=len(self.classes))
        named = zip(self.classes, counts, strict=True)
        return ", ".join(f"{n} {count}" for n, count in named if count) or "-"

    def answer_cell(self, output: np.ndarray) -> str:
        return self._cell(
            find_boxes(output, self.least_score)[:, [0, 1, 2, 3, 5]]
        )

    def label_cell(self, label: np.ndarray, weight: np.ndarray) -> str:
        return self._cell(label[label[:, 4] >= 0])

    def _cell(self, boxes: np.ndarray) -> str:
        """Returns a cell in shares of the picture, as the model sees it."""
        parts = [
            f"{self.classes[int(c)]}:{x:.4f},{y:.4f},{r - x:.4f},{b - y:.4f}"
            for x, y, r, b, c in boxes.tolist()
        ]
        return ";".join(parts) or ";"
