"""The head for retrieval."""

from dataclasses import dataclass
from typing import Any, ClassVar

import keras
from keras import layers

from mmkeras.heads import contrastive
from mmkeras.heads import keras_metrics as figures
from mmkeras.heads.layers import drop
from mmkeras.introspection import options_of

OBJECTIVES = ("info_nce", "siglip")


@dataclass(frozen=True)
class Embedding:
    """A vector of length 1; those of one identity lie near each other.

    Good for retrieval: a device keeps the vectors it has seen, and finds the
    nearest by a product. A batch must hold samples that match.

    Args:
        units: Width of the vector.
        dropout: Dropout rate before the output layer.
        weight: Weight of the loss among several targets.
        objective: "info_nce" or "siglip"; see these losses.
        temperature: Divides the similarities within the loss.

    Call arguments: fused `(batch, units)`. Output: `(batch, units)`,
    float32; labels are `(batch,)` identities, -1 where unknown.
    """

    units: int = 64
    dropout: float = 0.0
    weight: float = 1.0
    objective: str = "info_nce"
    temperature: float = 0.1
    activation: ClassVar[str] = "linear"

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise ValueError(
                f"`objective` must be one of {', '.join(OBJECTIVES)}. "
                f"Received: {self.objective!r}"
            )

    @property
    def outputs(self) -> int:
        """Width of the output."""
        return self.units

    def __call__(self, fused: Any, name: str, features: Any = None) -> Any:
        x = drop(fused, name, self.dropout)
        x = layers.Dense(self.units, name=f"{name}_linear", dtype="float32")(x)
        return self.finish(x, name)

    def finish(self, output: Any, name: str) -> Any:
        """Brings a vector to length 1."""
        return layers.UnitNormalization(name=name, dtype="float32")(output)

    def loss(self) -> keras.losses.Loss:
        if self.objective == "siglip":
            return contrastive.SigLIP(self.temperature)
        return contrastive.InfoNCE(self.temperature)

    def metrics(self) -> list[keras.metrics.Metric]:
        return [figures.NearestIsMatch(name="recall_at_1")]


EmbeddingOptions = options_of(Embedding, ("weight",))
