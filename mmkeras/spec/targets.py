"""The kinds of target, and what each of them declares."""

from typing import Annotated, Literal

import pydantic
from pydantic import Field

from mmkeras.spec.tables import Column, Columns, Table

Weight = Annotated[float, Field(gt=0, le=1e6)]


class Category(Table):
    """One class of several.

    Args:
        kind: "category".
        column: Manifest column with the class; empty means no label.
        classes: The classes, in the order of the model's output.
        weight: Weight of this target's loss.
    """

    kind: Literal["category"]
    column: Column
    classes: Columns = Field(min_length=2)
    weight: Weight = 1.0

    @pydantic.field_validator("classes")
    @classmethod
    def _unique(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(classes)) < len(classes):
            twice = next(c for c in classes if classes.count(c) > 1)
            raise ValueError(
                f"`classes` must all differ. Received: {twice[:80]!r} twice"
            )
        return classes


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
    separator: Annotated[str, Field(min_length=1, max_length=5)] = "|"


class Number(Table):
    """A number in its own unit.

    Args:
        kind: "number".
        column: Manifest column with the number; empty means no label.
        weight: Weight of this target's loss.
        unit: The unit, for reports.
    """

    kind: Literal["number"]
    column: Column
    weight: Weight = 1.0
    unit: Annotated[str, Field(max_length=40)] = ""


TargetSpec = Annotated[
    Category | Categories | Number, Field(discriminator="kind")
]
TARGETS = {
    "category": Category,
    "categories": Categories,
    "number": Number,
}
