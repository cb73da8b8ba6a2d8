"""A number in its own unit."""

from typing import Annotated, Literal

from pydantic import Field

from mmkeras.spec.registry import register_target
from mmkeras.spec.target import Target


@register_target
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
