"""A class for each step of time."""

from collections.abc import Container, Mapping
from collections.abc import Sequence as Several
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from mmkeras.kinds.category import Category
from mmkeras.metrics import Figures, cross_entropy, per_step, step_classes
from mmkeras.spec.registry import register_target
from mmkeras.spec.target import Separator, check_modalities

Name = Annotated[str, Field(max_length=40)]
# TOML has lists only; a tuple keeps the spec immutable.
Names = Annotated[tuple[Name, ...], Field(strict=False, min_length=1)]


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
        steps: Steps, spread evenly over the length of `modality`.
        modality: Modality whose tokens tell the steps apart; or several,
            `["left", "right"]`, that are fused step by step.
        separator: What stands between two steps in the column.
        length: Whether every sample has all the steps, "fixed", or as many as
            it is long, "variable". A shorter one is padded at its end with
            steps without a label, as its series is with a gap, and the device
            gives no answer there; a longer one is cut.
        crop: Which part of a longer one is kept, "start" or "center"; as its
            modality is cut.
    """

    kind: Literal["sequence"]
    steps: Annotated[int, Field(ge=2, le=10_000)]
    modality: Name | Names | None = None
    separator: Separator = "|"
    length: Literal["fixed", "variable"] = "fixed"
    crop: Literal["start", "center"] = "start"
    stratifies: ClassVar[bool] = False
    boosts: ClassVar[bool] = False
    follows_time: ClassVar[bool] = True
    device_keys: ClassVar[tuple[str, ...]] = (
        "classes",
        "steps",
        "modality",
        "length",
    )
    web: ClassVar[str | None] = None
    counted: ClassVar[str] = "Steps"

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.steps,)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (self.steps,)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities that tell the steps apart."""
        names = self.modality or ()
        return (names,) if isinstance(names, str) else names

    def check(self, name: str, modalities: Mapping[str, Any]) -> None:
        key = f"targets.{name}.modality"
        check_modalities(key, self.modalities, modalities)
        for read in self.modalities:
            crop = getattr(modalities[read], "crop", self.crop)
            if self.length == "variable" and crop != self.crop:
                raise ValueError(
                    f"`targets.{name}.crop` must be that of `modalities."
                    f"{read}`, so that steps and labels are cut alike. "
                    f"Received: {self.crop!r}, and {crop!r} there"
                )

    def among(self, modalities: Container[str]) -> "Sequence":
        # A sequence without its modality goes by the fused vector.
        kept = tuple(name for name in self.modalities if name in modalities)
        if len(kept) == len(self.modalities):
            return self
        return self.model_copy(update={"modality": kept or None})

    def notes(self, cells: Several[str]) -> dict[str, int]:
        if self.length == "fixed":
            return {}
        counts = np.array([len(self.split(c)) for c in cells if c.strip()])
        found = {
            "padded": int((counts < self.steps).sum()),
            "cut": int((counts > self.steps).sum()),
        }
        return {note: count for note, count in found.items() if count}

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

    def answer_cell(self, output: np.ndarray) -> str:
        return self.join([self.classes[i] for i in output.argmax(axis=-1)])

    def label_cell(self, label: np.ndarray, weight: np.ndarray) -> str:
        pairs = zip(label, np.broadcast_to(weight, label.shape), strict=True)
        return self.join([self.classes[int(i)] if w else "" for i, w in pairs])

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
        if self.length == "fixed" and len(names) != self.steps:
            raise ValueError(f"{len(names)} steps instead of {self.steps}")
        return self.separator.join(names)
