"""Quantiles that never cross: their layer, their loss, their correction."""

import keras
import numpy as np
from keras import ops

# An interval is made at most so many times as wide.
MAX_FACTOR = 100.0


@keras.saving.register_keras_serializable(package="mmkeras")
class OrderedQuantiles(keras.layers.Layer):
    """Makes ordered quantiles of any numbers, each interval inside the next.

    The middle number is the median; each quantile beyond is further from it
    by the softplus of its number. Distances from the median are multiplied by
    `factors`, one a channel and interval, which no gradient changes: they are
    chosen on held-out samples, see `interval_factors`, and are 1 before.

    Call arguments: `(batch, steps, channels, quantiles)`, an odd number of
    them. Output: the same shape, from the lowest quantile to the highest.
    """

    def build(self, shape):
        self.pairs = shape[-1] // 2
        self.factors = self.add_weight(
            shape=(shape[-2], self.pairs),
            initializer="ones",
            trainable=False,
            name="factors",
        )

    def call(self, x):
        middle = x[..., self.pairs : self.pairs + 1]
        found, below, above = [middle], None, None
        for pair in range(self.pairs):
            low = x[..., self.pairs - 1 - pair : self.pairs - pair]
            high = x[..., self.pairs + 1 + pair : self.pairs + 2 + pair]
            low, high = self._further(below, low), self._further(above, high)
            below, above = low, high
            found = [low, *found, high]
        return self._widened(middle, found)

    def _further(self, before, x):
        # In operators that a device has; softplus is none.
        step = ops.relu(x) + ops.log(1 + ops.exp(-ops.abs(x)))
        return step if before is None else before + step

    def _widened(self, middle, found):
        """Returns the quantiles of a median and of distances from it."""
        factors = ops.cast(self.factors, middle.dtype)
        lows, highs = [], []
        for pair in range(self.pairs):
            factor = factors[:, pair : pair + 1]
            low = found[self.pairs - 1 - pair] * factor
            high = found[self.pairs + 1 + pair] * factor
            if pair:
                low = ops.maximum(low, lows[-1])
                high = ops.maximum(high, highs[-1])
            lows.append(low)
            highs.append(high)
        return ops.concatenate(
            [
                *(middle - low for low in lows[::-1]),
                middle,
                *(middle + high for high in highs),
            ],
            axis=-1,
        )

    def compute_output_shape(self, shape):
        return shape


@keras.saving.register_keras_serializable(package="mmkeras")
class Pinball(keras.losses.Loss):
    """Pinball loss: what is predicted is each quantile of what comes.

    Twice the mean over the quantiles, in standard deviations; that of the
    median alone is the absolute error.

    Args:
        quantiles: The quantiles, above 0 and below 1.
        scale: Standard deviation of each channel.

    Source: Koenker and Bassett, "Regression Quantiles", 1978.

    Example:

    >>> loss = Pinball(quantiles=[0.5], scale=[2.0])
    >>> float(loss(np.zeros((1, 1, 1)), np.full((1, 1, 1, 1), 6.0)))
    3.0
    """

    def __init__(
        self,
        quantiles=(0.5,),
        scale=(1.0,),
        name="pinball",
        reduction="sum_over_batch_size",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.quantiles = [float(each) for each in quantiles]
        self.scale = [float(each) for each in scale]

    def call(self, y_true, y_pred):
        scale = ops.convert_to_tensor(self.scale, y_pred.dtype)
        wanted = ops.convert_to_tensor(self.quantiles, y_pred.dtype)
        error = ops.expand_dims(ops.cast(y_true, y_pred.dtype), -1) - y_pred
        error = error / ops.expand_dims(scale, -1)
        each = ops.maximum(wanted * error, (wanted - 1) * error)
        return 2 * ops.mean(each, axis=-1)

    def get_config(self):
        return {
            **super().get_config(),
            "quantiles": self.quantiles,
            "scale": self.scale,
        }


@keras.saving.register_keras_serializable(package="mmkeras")
class MedianError(keras.metrics.Mean):
    """Mean absolute error of the median of `(..., quantiles)`."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        median = y_pred[..., y_pred.shape[-1] // 2]
        error = ops.abs(ops.cast(y_true, median.dtype) - median)
        super().update_state(error, sample_weight)


def interval_factors(
    labels: np.ndarray,
    outputs: np.ndarray,
    weights: np.ndarray,
    quantiles: tuple[float, ...],
) -> np.ndarray:
    """Returns how many times as wide intervals must be to cover their share.

    Conformal: of exchangeable samples, the interval between the quantiles a
    and 1 - a then covers 1 - 2a of new ones, whatever the model. What is
    compared is how far a label is from the median, in distances of the
    quantile on its side, so that a narrow interval stays one.

    Args:
        labels: `(samples, steps, channels)`.
        outputs: `(samples, steps, channels, quantiles)`.
        weights: As the labels; 0 is left out.
        quantiles: From the lowest to the highest, symmetric about 0.5.

    Returns:
        `(channels, intervals)`, the innermost interval first; 1 where too few
        samples have a label to tell.

    Source: Romano, Patterson and Candès, "Conformalized Quantile Regression",
    2019 (arXiv 1905.03222); scaled as by Kivaranovic et al., 2020.
    """
    pairs, channels = len(quantiles) // 2, outputs.shape[-2]
    factors = np.ones((channels, pairs))
    middle = outputs[..., pairs].astype("float64")
    for channel in range(channels):
        known = weights[..., channel] > 0
        away = (labels - middle)[..., channel][known]
        for pair in range(pairs):
            ends = outputs[..., channel, [pairs - 1 - pair, pairs + 1 + pair]]
            width = np.abs(ends[known] - middle[..., channel][known][:, None])
            width = np.where(away < 0, width[:, 0], width[:, 1])
            share = quantiles[pairs + 1 + pair] - quantiles[pairs - 1 - pair]
            rank = share * (1 + 1 / max(1, len(away)))
            if len(away) and rank <= 1:
                ratio = np.abs(away) / np.maximum(width, 1e-12)
                found = np.quantile(ratio, rank, method="higher")
                factors[channel, pair] = min(found, MAX_FACTOR)
    return factors
