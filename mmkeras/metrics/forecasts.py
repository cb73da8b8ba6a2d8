"""Figures of quantiles of the next steps of a series."""

from collections.abc import Sequence

import numpy as np

from mmkeras.metrics.figures import Figures, Sums, labelled, of_sums

NAMES = ("mae", "mase", "skill", "pinball", "coverage", "width")


def forecasts(
    labels: np.ndarray,
    outputs: np.ndarray,
    weights: np.ndarray | None = None,
    quantiles: Sequence[float] = (0.1, 0.5, 0.9),
) -> Figures:
    """Returns what the medians and the intervals of forecasts are worth.

    | figure | what it is |
    | --- | --- |
    | `mae` | mean absolute error of the median |
    | `mase` | the same by that of "as the step before", over these labels |
    | `skill` | 1 - the squared error by the variance of these labels (R2) |
    | `pinball` | twice the mean pinball loss of all quantiles |
    | `coverage` | share of the labels in the widest interval |
    | `width` | mean width of the widest interval |

    Errors by errors are those of each channel, then their mean, so that no
    unit matters.

    Args:
        labels: `(samples, steps, channels)`.
        outputs: `(samples, steps, channels, quantiles)`.
        weights: As the labels; 0 is left out.
        quantiles: From the lowest to the highest, symmetric about 0.5.

    Source: Hyndman and Koehler, "Another Look at Measures of Forecast
    Accuracy", 2006.
    """
    labels, outputs, weights = labelled(labels, outputs, weights)
    labels = labels.astype("float64")
    outputs = outputs.astype("float64")
    if weights.ndim == 1:
        shape = labels.shape
        weights = np.broadcast_to(weights[:, None, None], shape)
    middle = outputs.shape[-1] // 2 if outputs.ndim else 0
    error = labels[..., None] - outputs
    wanted = np.asarray(quantiles)
    pinball = np.maximum(wanted * error, (wanted - 1) * error).mean(axis=-1)
    inside = (labels >= outputs[..., 0]) & (labels <= outputs[..., -1])
    # Centred first: sums of squares of large numbers lose their digits.
    centred = labels - _means(labels, weights)
    both = weights[:, 1:] * (weights[:, :-1] > 0)
    each = {
        "error": weights * np.abs(error[..., middle]),
        "square": weights * error[..., middle] ** 2,
        "label": weights * centred,
        "label_square": weights * centred**2,
        "pinball": 2 * weights * pinball,
        "inside": weights * inside,
        "width": weights * (outputs[..., -1] - outputs[..., 0]),
        "weight": weights,
        "change": both * np.abs(np.diff(labels, axis=1)),
        "changes": both,
    }
    rows = {name: value.sum(axis=1) for name, value in each.items()}
    return Figures(len(labels), {NAMES: of_sums(rows, _of_sums)})


def _means(labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns the mean of each channel, `(channels,)`."""
    total = np.maximum(weights.sum(axis=(0, 1)), 1e-12)
    return (weights * labels).sum(axis=(0, 1)) / total


def _of_sums(sums: Sums) -> dict[str, np.ndarray]:
    def mean(name: str) -> np.ndarray:
        return sums[name].sum(axis=-1) / sums["weight"].sum(axis=-1)

    known = sums["weight"] > 0
    error = sums["error"] / sums["weight"]
    step = sums["change"] / sums["changes"]
    square = sums["square"] / sums["weight"]
    mean_label = sums["label"] / sums["weight"]
    variance = sums["label_square"] / sums["weight"] - mean_label**2

    def ratio(what: np.ndarray, by: np.ndarray) -> np.ndarray:
        usable = known & (by > 0)
        found = np.where(usable, what / by, 0).sum(axis=-1)
        return found / usable.sum(axis=-1)

    return {
        "mae": mean("error"),
        "mase": ratio(error, step),
        "skill": 1 - ratio(square, variance),
        "pinball": mean("pinball"),
        "coverage": mean("inside"),
        "width": mean("width"),
    }
