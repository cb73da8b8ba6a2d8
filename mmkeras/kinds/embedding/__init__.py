"""A vector by which samples of one identity find each other."""

from typing import ClassVar, Literal

from mmkeras.spec.registry import register_target
from mmkeras.spec.target import Target


@register_target
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
