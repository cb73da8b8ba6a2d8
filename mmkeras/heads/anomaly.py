"""The head for a distance from what is normal."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import keras
import numpy as np
from keras import layers, ops

from mmkeras.heads import anomaly_layers as parts
from mmkeras.heads.layers import drop
from mmkeras.introspection import options_of

# Of what has more numbers than this, features are rebuilt, not values.
MAX_VALUES = 4096
# The most numbers of tokens that are read one by one.
MAX_READ = 8192


@dataclass(frozen=True)
class Anomaly:
    """How far a sample is from normal ones: how badly it can be rebuilt.

    A few numbers, the code, are made of the fused vector and of the tokens of
    what is judged, or of what `given` names alone; from these the values of
    each modality are rebuilt. What training never saw is rebuilt badly.

    Args:
        modalities: What is judged; empty for all.
        given: What it is rebuilt from, where that is not itself: then the
            score says how surprising a sample is beside these.
        scales: Mean and standard deviation of each modality's values, by
            name. Of others, and of large ones, features are rebuilt.
        false_alarms: Share of normal samples that may be above the threshold.
        rebuild: "values", where that is possible, or "features".
        centred: Whether the values that are rebuilt are about the sample's
            mean of each channel: in the first of `given` with as many axes
            and channels, or else in themselves. A drift is then no anomaly.
        spread: Whether it is learned how far each value usually is from its
            guess, relative to the others: a difference counts less where
            there often is one. The loss is then the score's logarithm.
        code: Numbers that all is rebuilt from.
        units: Width of the hidden layers.
        dropout: Dropout rate before the code.
        weight: Weight of the loss among several targets.

    Call arguments: fused `(batch, units)`, and `features`, the towers'
    outputs by modality with their "input". Output: `(batch, 1)`, float32,
    above 1 for an anomaly. Labels are `(batch,)`: above 0 abnormal, 0 normal,
    below 0 unknown.
    """

    modalities: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    scales: Mapping[str, tuple[Sequence, Sequence]] = field(
        default_factory=dict
    )
    false_alarms: float = 0.05
    rebuild: str = "values"
    centred: bool = False
    spread: bool = False
    code: int = 16
    units: int = 64
    dropout: float = 0.0
    weight: float = 1.0
    activation: ClassVar[str] = "linear"

    def __post_init__(self) -> None:
        if self.rebuild not in ("values", "features"):
            raise ValueError(
                "`rebuild` must be 'values' or 'features'. Received: "
                f"{self.rebuild!r}"
            )
        for key in ("code", "units"):
            value = getattr(self, key)
            if not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"`{key}` must be a whole number from 1 on. Received: "
                    f"{value!r}"
                )

    def __call__(self, fused: Any, name: str, features: Any = None) -> Any:
        features = features or {}
        judged = [n for n in self.modalities if n in features]
        # Alone, a tower may be none of those that are judged.
        judged = judged or sorted(features)
        hidden = self._code(fused, name, features, judged)
        errors = [self._error(hidden, name, key, features) for key in judged]
        there = [
            ops.max(ops.cast(features[key]["mask"], "float32"), 1, True)
            for key in judged
        ]
        return parts.AnomalyScore(name=name, dtype="float32")([*errors, *there])

    def _code(self, fused: Any, name: str, features: Any, judged: list) -> Any:
        """Returns the hidden layer that all is rebuilt from."""
        read = [n for n in self.given if n in features]
        seen = [] if read else [fused]
        for key in read or judged:
            found = features[key]
            tokens = found["tokens"]
            size = math.prod(tokens.shape[1:])
            if size > MAX_READ:
                seen.append(found["vector"])
                continue
            mask = ops.expand_dims(ops.cast(found["mask"], tokens.dtype), -1)
            if tokens.shape[1] == found["mask"].shape[1]:
                tokens = tokens * mask
            seen.append(ops.reshape(tokens, (-1, size)))
        x = seen[0]
        if len(seen) > 1:
            x = layers.Concatenate(name=f"{name}_seen")(seen)
        x = drop(x, name, self.dropout)
        x = layers.Dense(self.units, "relu", name=f"{name}_reading")(x)
        x = layers.Dense(self.code, name=f"{name}_code")(x)
        return layers.Dense(self.units, "relu", name=f"{name}_hidden")(x)

    def _error(self, hidden: Any, name: str, key: str, features: Any) -> Any:
        """Returns how badly one modality is rebuilt, `(batch, 1)`."""
        found, start = features[key], f"{name}_{key}"
        raw = found.get("input")
        if self._by_values(key, raw):
            scale, size = self.scales[key], math.prod(raw.shape[1:])
            wanted = parts.Standardised(
                *scale, self.centred, name=f"{start}_wanted"
            )(raw, self._around(key, features))
            known = parts.KnownCells(name=f"{start}_known", dtype="float32")(
                raw
            )
            wanted = ops.reshape(wanted, (-1, size))
            known = ops.reshape(known, (-1, size))
        else:
            wanted = parts.FrozenUnit(name=f"{start}_wanted", dtype="float32")(
                found["vector"]
            )
            size, known = wanted.shape[-1], ops.ones_like(wanted)
        guess = layers.Dense(size, name=f"{start}_rebuilt", dtype="float32")(
            hidden
        )
        if not self.spread:
            return parts.MeanSquare(name=f"{start}_error", dtype="float32")(
                wanted, guess, known
            )
        spread = layers.Dense(
            size,
            kernel_initializer="zeros",
            name=f"{start}_spread",
            dtype="float32",
        )(hidden)
        return parts.WeighedSquare(name=f"{start}_error", dtype="float32")(
            wanted, guess, known, spread
        )

    def _around(self, key: str, features: Any) -> Any:
        """Returns where a modality's drift is seen, if not in itself."""
        raw = features[key]["input"]
        for name in self.given if self.centred else ():
            about = features.get(name, {}).get("input")
            shape = getattr(about, "shape", ())
            if len(shape) == len(raw.shape) and shape[-1] == raw.shape[-1]:
                return about
        return None

    def _by_values(self, key: str, raw: Any) -> bool:
        """Whether values of a modality are rebuilt, and not its features."""
        if self.rebuild != "values" or raw is None or key not in self.scales:
            return False
        # A column of categories has no mean.
        one_each = len(self.scales[key][0]) == raw.shape[-1]
        return one_each and math.prod(raw.shape[1:]) <= MAX_VALUES

    def finish(self, output: Any, name: str) -> Any:
        raise ValueError(
            "A late fusion must have targets that each modality can answer. "
            f"Received: the anomaly `{name}`; choose another fusion"
        )

    def loss(self) -> keras.losses.Loss:
        return parts.NormalScore(self.spread)

    def metrics(self) -> list[keras.metrics.Metric]:
        return [parts.MeanNormalScore(name="score")]

    def settle(
        self, model: keras.Model, name: str, read: Callable[[], Any]
    ) -> Mapping[str, Any]:
        """Chooses what is usual and the threshold on samples held out.

        Of the samples that are not known to be abnormal, the share
        `false_alarms` is above the threshold.

        Args:
            model: The trained model.
            name: The target.
            read: Returns batches of `(x, y, sample_weight)`.

        Returns:
            What was chosen, as JSON.
        """
        layer = model.get_layer(name)
        errors = keras.Model(model.input, [*layer.input])
        rows = []
        for x, y, weights in read():
            found = errors.predict_on_batch(x)
            usable = (np.asarray(y[name]) <= 0) & (
                np.asarray(weights[name]) > 0
            )
            rows.append(np.concatenate(found, axis=1)[usable])
        found = np.concatenate(rows).astype("float64")
        count = found.shape[1] // 2
        each, there = found[:, :count], found[:, count:]
        seen = np.maximum(there.sum(axis=0), 1)
        usual = np.maximum((each * there).sum(axis=0) / seen, 1e-9)
        usual = np.where(there.any(axis=0), usual, 1.0)
        score = (each * there / usual).sum(axis=1)
        score /= np.maximum(there.sum(axis=1), 1)
        threshold = 1.0
        if len(score):
            threshold = float(np.quantile(score, 1 - self.false_alarms))
        layer.usual.assign(usual)
        layer.threshold.assign([max(threshold, 1e-9)])
        return {
            "threshold": threshold,
            "usual_errors": usual.tolist(),
            "false_alarms": self.false_alarms,
            "samples": len(score),
        }


AnomalyOptions = options_of(
    Anomaly, ("modalities", "given", "scales", "false_alarms", "weight")
)
