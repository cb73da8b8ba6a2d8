"""What is where in a picture or a volume, pixel by pixel."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pydantic
from pydantic import Field

from mmkeras.metrics import (
    Figures,
    classes_of,
    mask_counts,
    overlap,
    sample_dice,
    weighted_share,
)
from mmkeras.spec.registry import register_target
from mmkeras.spec.target import Target

Name = Annotated[str, Field(min_length=1, max_length=40)]
Grey = Annotated[int, Field(ge=0, le=65535)]
# TOML has lists only; a tuple keeps the spec immutable.
Names = Annotated[tuple[Name, ...], Field(strict=False, min_length=1)]
Greys = Annotated[tuple[Grey, ...], Field(strict=False, min_length=1)]
# A class a byte, and one of them for what nobody knows.
MAX_CLASSES = 100


@register_target
class Mask(Target):
    """The class of each pixel of an image, or of each voxel of a volume.

    A cell names a file: a PNG or another picture without loss, an .npy array,
    or NIfTI; its content decides. It is as large as the picture it belongs to,
    and follows what happens to that: resizing, cropping, a turn by EXIF, and
    augmentation.

    Args:
        kind: "mask".
        column: Manifest column with the path of the mask; empty means no
            label.
        classes: What is marked, in the order of the model's output; the
            background is no class of its own.
        modality: The image or volume whose pixels are marked.
        values: What stands in a mask for each class; 1, 2, ... when left out.
            Of one class, 255 is read like 1 then.
        background: What stands for none of them.
        unknown: What stands for pixels that nobody knows; they count neither
            in training nor in any figure.
        weight: Weight of this target's loss.
    """

    kind: Literal["mask"]
    classes: Names
    modality: Name
    values: Greys | None = None
    background: Grey = 0
    unknown: Grey | None = None
    dtype: ClassVar[str] = "uint8"
    # Where no label is: no pixel is known.
    unlabelled: ClassVar[float] = 255
    read_with_sample: ClassVar[bool] = True
    moved_by: ClassVar[tuple[str, ...]] = ("space",)
    headline: ClassVar[str] = "dice"
    guard: ClassVar[str] = "dice"
    training_metric: ClassVar[str] = "dice"
    baseline: ClassVar[str] = "mean mask of training"
    web: ClassVar[str | None] = "mask"
    device_keys: ClassVar[tuple[str, ...]] = ("classes", "modality")
    # Size of the modality, which its spec tells.
    _size: tuple[int, ...] | None = pydantic.PrivateAttr(None)

    @pydantic.model_validator(mode="after")
    def _values(self) -> "Mask":
        names, values = self.classes, self.values
        if len({*names}) < len(names) or len(names) > MAX_CLASSES:
            raise ValueError(
                f"`classes` must be at most {MAX_CLASSES} names, each once. "
                f"Received: {list(names)}"
            )
        if values is not None and len(values) != len(names):
            raise ValueError(
                "`values` must be a number for each of `classes`. Received: "
                f"{list(values)} for {list(names)}"
            )
        told = [*self.codes, self.background]
        told += [] if self.unknown is None else [self.unknown]
        if len({*told}) < len(told):
            raise ValueError(
                "`values`, `background` and `unknown` must differ. Received: "
                f"{list(self.codes)}, {self.background}, {self.unknown}"
            )
        return self

    @property
    def codes(self) -> tuple[int, ...]:
        """What stands in a mask for each class."""
        return self.values or tuple(range(1, len(self.classes) + 1))

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns; slices first, of a volume."""
        if self._size is None:
            raise ValueError(
                "A mask must be part of a spec, whose modality tells its "
                f"size. Received: one of `{self.modality}` by itself"
            )
        return self._size

    @property
    def outputs(self) -> int:
        """Probabilities of a pixel."""
        return 1 if len(self.classes) == 1 else len(self.classes) + 1

    @property
    def reads_with(self) -> tuple[str, ...]:
        return (self.modality,)

    @property
    def moves_with(self) -> str | None:
        return self.modality

    @property
    def skips_of(self) -> tuple[str, ...]:
        return (self.modality,)

    def check(self, name: str, modalities: Mapping[str, Any]) -> None:
        if not modalities[self.modality].has_pixels:
            raise ValueError(
                f"`targets.{name}.modality` must be an image or a volume. "
                f"Received: {self.modality!r}, of kind "
                f"'{modalities[self.modality].kind}'"
            )
        self._size = tuple(modalities[self.modality].shape[:-1])

    def figures(
        self,
        labels: np.ndarray,
        outputs: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> Figures:
        return overlap(labels, outputs, weights, self.classes)

    def agreement(
        self,
        one: np.ndarray,
        other: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> float | None:
        return weighted_share(classes_of(one) == classes_of(other), weights)

    def errors(
        self, labels: np.ndarray, outputs: np.ndarray, weights: np.ndarray
    ) -> np.ndarray | None:
        return 1 - self._dice(labels, outputs)

    def _dice(self, labels: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        answers = classes_of(outputs)
        return sample_dice(mask_counts(labels, answers, len(self.classes)))

    def spell(self, label: np.ndarray, output: np.ndarray) -> dict[str, Any]:
        answer = self._told(classes_of(output))
        dice = self._dice(label[None], output[None])[0]
        return {
            "label": self._told(label),
            "answer": f"{answer}; Dice {dice:.3f}",
            "probability": None,
        }

    def _told(self, classes: np.ndarray) -> str:
        shares = self.shares(classes)
        return ", ".join(f"{name} {s:.1%}" for name, s in shares.items())

    def shares(self, classes: np.ndarray) -> dict[str, float]:
        """Returns the share of the known pixels that each class has."""
        known = max(1, np.count_nonzero(classes != self.unlabelled))
        return {
            name: np.count_nonzero(classes == place + 1) / known
            for place, name in enumerate(self.classes)
        }

    def answer_cell(self, output: np.ndarray) -> str:
        return self.label_cell(classes_of(output), np.ones(()))

    def label_cell(self, label: np.ndarray, weight: np.ndarray) -> str:
        shares = self.shares(label)
        return json.dumps({name: round(s, 4) for name, s in shares.items()})

    def constant(
        self, facts: Mapping[str, Any], train_samples: int | None = None
    ) -> np.ndarray | None:
        return self.offer("read", "mean_mask", facts)

    def device_entry(self, name: str, folder: Any) -> dict[str, Any]:
        found = super().device_entry(name, folder)
        return {**found, "size": list(self.shape)}
