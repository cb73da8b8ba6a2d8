"""The head for a number."""

from dataclasses import dataclass
from typing import Any, ClassVar

import keras
from keras import layers

from mmkeras.heads import keras_metrics as figures
from mmkeras.heads import number_losses
from mmkeras.heads.layers import drop
from mmkeras.introspection import options_of


@dataclass(frozen=True)
class Number:
    """A number in its own unit.

    Args:
        mean: Mean of the target over the training split.
        std: Standard deviation over the training split.
        dropout: Dropout rate before the output layer.
        weight: Weight of the loss among several targets.
        huber_delta: Error, in standard deviations, from where the loss is
            linear (`ScaledHuber`); None for the squared error.

    Call arguments: fused `(batch, units)`. Output: `(batch, 1)` in the
    target's unit, float32; labels are `(batch,)`.
    """

    mean: float = 0.0
    std: float = 1.0
    dropout: float = 0.0
    weight: float = 1.0
    huber_delta: float | None = None
    activation: ClassVar[str] = "linear"
    outputs: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.huber_delta is not None and not self.huber_delta > 0:
            raise ValueError(
                "`huber_delta` must be above 0, or None. Received: "
                f"{self.huber_delta}"
            )

    def __call__(self, fused: Any, name: str, features: Any = None) -> Any:
        x = drop(fused, name, self.dropout)
        x = layers.Dense(1, name=f"{name}_standard", dtype="float32")(x)
        return self.finish(x, name)

    def finish(self, output: Any, name: str) -> Any:
        """Converts an output in standard deviations to the target's unit."""
        # In the graph, so that exported files too give the target's unit.
        return layers.Rescaling(
            self.std, self.mean, name=name, dtype="float32"
        )(output)

    def loss(self) -> keras.losses.Loss:
        if self.huber_delta is not None:
            return number_losses.ScaledHuber(self.std, self.huber_delta)
        return number_losses.ScaledMeanSquaredError(self.std)

    def metrics(self) -> list[keras.metrics.Metric]:
        return [figures.RootMeanSquaredErrorOf(name="rmse")]


NumberOptions = options_of(Number, ("mean", "std", "weight"))
