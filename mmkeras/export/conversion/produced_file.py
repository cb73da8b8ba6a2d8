"""A file that was made of a model, with what is known of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

FLOAT = "float32"


@dataclass(frozen=True)
class Notes:
    """What the making of a file told, for those who work with it later.

    Args:
        layers: Names of layers by the scope of an operator, as
            `layer_path` returns them.
        streams: Of each recurrent tower, why it does not stream; None where
            it does.
        learned: `.npz` file of the ranges learned in quantization-aware
            training, where the model has any.
        float_layers: Layers that stayed float for the sake of the metrics.
        decoders: The signature and the letters of each target that writes.
    """

    layers: Mapping[str, str] = field(default_factory=dict)
    streams: Mapping[str, str | None] = field(default_factory=dict)
    learned: Path | None = None
    float_layers: tuple[str, ...] = ()
    decoders: Mapping[str, tuple[str, str | list[str]]] = field(
        default_factory=dict
    )


@dataclass(frozen=True)
class ProducedFile:
    """A file that was made of a model.

    Args:
        format: Name of its format, such as "tflite".
        recipe: How it was made smaller; "float32" is not at all.
        path: Where it is.
        notes: What its making told.
    """

    format: str
    recipe: str
    path: Path
    # No part of which file it is.
    notes: Notes = field(default=Notes(), compare=False)

    @property
    def name(self) -> str:
        """What reports call it, such as "tflite float32"."""
        return f"{self.format} {self.recipe}"

    @property
    def is_float(self) -> bool:
        """Whether it has to compute what Keras does."""
        return self.recipe == FLOAT

    @property
    def size_bytes(self) -> int:
        """Its size, in bytes."""
        return self.path.stat().st_size
