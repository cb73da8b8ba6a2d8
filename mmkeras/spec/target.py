"""What every kind of target answers."""

from typing import Annotated, ClassVar

from pydantic import Field

from mmkeras.spec.kind import Kind
from mmkeras.spec.tables import Column

Weight = Annotated[float, Field(gt=0, le=1e6)]
# What stands between two labels of one cell.
Separator = Annotated[str, Field(min_length=1, max_length=5)]


class Target(Kind):
    """What comes out of the model; the base of every kind of target.

    Args:
        column: Manifest column with the label; empty means no label.
        weight: Weight of this target's loss.
    """

    column: Column
    weight: Weight = 1.0
    # What a label is in a batch.
    dtype: ClassVar[str] = "float32"
    # Whether the classes of a split can be kept in their proportions by it.
    stratifies: ClassVar[bool] = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the label of one sample."""
        return ()

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the weight of one sample."""
        return ()

    @property
    def manifest_columns(self) -> tuple[str, ...]:
        """Columns of the manifest that one label is read from."""
        return (self.column,)
