"""Any number of classes at once."""

from typing import ClassVar, Literal

from mmkeras.kinds.category import Category
from mmkeras.spec.registry import register_target
from mmkeras.spec.target import Separator


@register_target
class Categories(Category):
    """Any number of classes at once (multi-label).

    Args:
        kind: "categories".
        column: Manifest column with the classes; empty means no label.
        classes: The classes, in the order of the model's output.
        weight: Weight of this target's loss.
        separator: What stands between two classes in the column.
    """

    kind: Literal["categories"]
    separator: Separator = "|"
    dtype: ClassVar[str] = "float32"
    stratifies: ClassVar[bool] = False

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.classes),)
