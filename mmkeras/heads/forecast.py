"""The head for the next steps of a series."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np
from keras import layers, ops

from mmkeras.heads import quantiles as parts
from mmkeras.heads.layers import drop
from mmkeras.heads.recent import InUnits, LastKnown, RecentSteps
from mmkeras.introspection import options_of


@dataclass(frozen=True)
class Forecast:
    """The next steps of some channels, as quantiles that do not cross.

    A hidden layer sees the fused vector, the last token of `modality` and its
    last `window_steps`; a linear layer beside it sees those steps alone. What
    comes out is added to the last value, so that nothing learned is "as
    before".

    Args:
        steps: Steps that are predicted.
        channels: Channels that are predicted.
        modality: Which one goes on; None where that is not among the inputs.
        places: Places of the channels in it; None where it lacks them.
        quantiles: From the lowest to the highest, symmetric about 0.5.
        mean: Mean of each channel over the training split.
        std: Standard deviation of each channel over the training split.
        relative: Whether they are about the last value; else about the mean.
        window_steps: Last steps of the modality that are read as they are.
        units: Width of the hidden layer.
        dropout: Dropout rate before the hidden layer.
        weight: Weight of the loss among several targets.

    Call arguments: fused `(batch, units)`, and `features`, the towers'
    outputs by modality with their "input". Output: `(batch, steps, channels,
    quantiles)` in the channels' units, float32; labels and sample weights are
    `(batch, steps, channels)`.
    """

    steps: int
    channels: int
    modality: str | None = None
    places: tuple[int, ...] | None = None
    quantiles: tuple[float, ...] = (0.1, 0.5, 0.9)
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    relative: bool = True
    window_steps: int = 256
    units: int = 64
    dropout: float = 0.0
    weight: float = 1.0
    activation: ClassVar[str] = "linear"

    @property
    def scales(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of each channel."""
        mean = self.mean or (0.0,) * self.channels
        return mean, self.std or (1.0,) * self.channels

    def __call__(self, fused: Any, name: str, features: Any = None) -> Any:
        mean, std = self.scales
        seen, recent, base = [fused], None, None
        found = (features or {}).get(self.modality)
        if found is not None:
            present = ops.max(found["mask"], axis=1, keepdims=True)
            last = found["tokens"][:, -1] * found["mask"][:, -1:]
            seen.append(ops.cast(last, "float32"))
            if self.places and "input" in found:
                raw = found["input"]
                base = LastKnown(self.places, mean, name=f"{name}_last")(
                    raw, present
                )
                count = min(self.window_steps, raw.shape[1])
                recent = RecentSteps(
                    self.places, count, std, name=f"{name}_recent"
                )(raw, base, present)
                seen.append(recent)
        x = self._predicted(seen, recent, name)
        base = base if self.relative else None
        return InUnits(mean, std, name=name)(x, base)

    def _predicted(self, seen: list, recent: Any, name: str) -> Any:
        """Returns quantiles in standard deviations."""
        shape = self.steps, self.channels, len(self.quantiles)
        x = seen[0]
        if len(seen) > 1:
            x = layers.Concatenate(name=f"{name}_seen")(seen)
        x = drop(x, name, self.dropout)
        x = layers.Dense(self.units, "relu", name=f"{name}_hidden")(x)
        size = int(np.prod(shape))
        x = layers.Dense(size, name=f"{name}_standard", dtype="float32")(x)
        if recent is not None:
            straight = layers.Dense(
                size,
                use_bias=False,
                kernel_initializer="zeros",
                name=f"{name}_linear",
                dtype="float32",
            )(recent)
            x = layers.Add(name=f"{name}_joined")([x, straight])
        x = layers.Reshape(shape, name=f"{name}_steps")(x)
        return parts.OrderedQuantiles(
            name=f"{name}_quantiles", dtype="float32"
        )(x)

    def finish(self, output: Any, name: str) -> Any:
        raise ValueError(
            "A late fusion must have targets with one output a sample. "
            f"Received: the forecast `{name}`; choose another fusion"
        )

    def loss(self) -> keras.losses.Loss:
        return parts.Pinball(self.quantiles, self.scales[1])

    def metrics(self) -> list[keras.metrics.Metric]:
        return [parts.MedianError(name="mae")]

    def settle(
        self, model: keras.Model, name: str, read: Callable[[], Any]
    ) -> Mapping[str, Any]:
        """Corrects the width of the intervals on samples held out.

        Args:
            model: The trained model.
            name: The target.
            read: Returns batches of `(x, y, sample_weight)`.

        Returns:
            The factors and the labels that they come from, as JSON.
        """
        layer = model.get_layer(f"{name}_quantiles")
        layer.factors.assign(np.ones(layer.factors.shape))
        rows: list[list] = [[], [], []]
        for x, y, weights in read():
            rows[0].append(np.asarray(y[name]))
            rows[1].append(np.asarray(model.predict_on_batch(x)[name]))
            rows[2].append(np.asarray(weights[name]))
        labels, outputs, weights = map(np.concatenate, rows)
        factors = parts.interval_factors(
            labels, outputs, weights, self.quantiles
        )
        layer.factors.assign(factors)
        return {
            "interval_factors": factors.round(6).tolist(),
            "labels": int((weights > 0).sum()),
        }


ForecastOptions = options_of(
    Forecast,
    (
        "steps",
        "channels",
        "modality",
        "places",
        "quantiles",
        "mean",
        "std",
        "weight",
    ),
)
