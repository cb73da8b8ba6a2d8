"""A class for each step of time."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mmkeras.kinds.category import Category
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

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.steps,)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (self.steps,)
