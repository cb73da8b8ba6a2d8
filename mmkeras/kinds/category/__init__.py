"""One class of several."""

from typing import ClassVar, Literal

import pydantic
from pydantic import Field

from mmkeras.spec.registry import register_target
from mmkeras.spec.tables import Columns
from mmkeras.spec.target import Target


@register_target
class Category(Target):
    """One class of several.

    Args:
        kind: "category".
        column: Manifest column with the class; empty means no label.
        classes: The classes, in the order of the model's output.
        weight: Weight of this target's loss.
    """

    kind: Literal["category"]
    classes: Columns = Field(min_length=2)
    dtype: ClassVar[str] = "int32"
    stratifies: ClassVar[bool] = True

    @pydantic.field_validator("classes")
    @classmethod
    def _unique(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(classes)) < len(classes):
            twice = next(c for c in classes if classes.count(c) > 1)
            raise ValueError(
                f"`classes` must all differ. Received: {twice[:80]!r} twice"
            )
        return classes
