"""The kinds of target, and what each of them declares."""

from typing import Annotated, ClassVar, Literal

import pydantic
from pydantic import Field

from mmkeras.spec.tables import Column, Columns, Table

Weight = Annotated[float, Field(gt=0, le=1e6)]
Separator = Annotated[str, Field(min_length=1, max_length=5)]


class Target(Table):
    """What every kind of target declares.

    Args:
        column: Manifest column with the label; empty means no label.
        weight: Weight of this target's loss.
    """

    column: Column
    weight: Weight = 1.0
    # What a label is in a batch.
    dtype: ClassVar[str] = "float32"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the label of one sample."""
        return ()

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the weight of one sample."""
        return ()


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
    separator: Separator = "|"
    dtype: ClassVar[str] = "float32"

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.classes),)


class Ordinal(Category):
    """One class of several that have an order, such as a grade.

    Args:
        kind: "ordinal".
        column: Manifest column with the class; empty means no label.
        classes: The classes, from the lowest to the highest.
        weight: Weight of this target's loss.
    """

    kind: Literal["ordinal"]


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

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.steps,)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (self.steps,)


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


class Embedding(Target):
    """A vector by which samples of one identity find each other.

    Args:
        kind: "embedding".
        column: Manifest column with the identity, any text, such as a person
            or a product; empty means unknown.
        weight: Weight of this target's loss.
    """

    kind: Literal["embedding"]
    dtype: ClassVar[str] = "int32"


TargetSpec = Annotated[
    Category | Categories | Ordinal | Sequence | Number | Embedding,
    Field(discriminator="kind"),
]
TARGETS = {
    "category": Category,
    "categories": Categories,
    "ordinal": Ordinal,
    "sequence": Sequence,
    "number": Number,
    "embedding": Embedding,
}
