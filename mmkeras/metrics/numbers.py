"""Figures of numbers."""

import numpy as np

from mmkeras.metrics.figures import Figures, Sums, labelled, means, of_sums

# A variance that is smaller, as a share of the squares that it is the
# difference of, is what is left of rounding.
ROUNDING = 1e-12


def regression(
    labels: np.ndarray, outputs: np.ndarray, weights: np.ndarray | None = None
) -> Figures:
    """Returns mean absolute and root mean squared error, R2, correlation.

    R2 is undefined where all labels are equal; correlation also where all
    outputs are.

    Args:
        labels: `(samples,)` numbers.
        outputs: `(samples,)` or `(samples, 1)`.
        weights: `(samples,)`; 0 is left out.
    """
    labels, outputs, weights = labelled(labels, outputs, weights)
    labels = labels.reshape(-1).astype("float64")
    outputs = outputs.reshape(-1).astype("float64")
    error = outputs - labels
    mae = means(weights, mae=np.abs(error))
    # Centred first: sums of squares of large numbers lose their digits.
    centre = np.average(labels, weights=weights) if len(labels) else 0.0
    labels, outputs = labels - centre, outputs - centre
    rows = {
        "weight": np.ones(len(labels)),
        "error_squared": error**2,
        "label": labels,
        "label_squared": labels**2,
        "output": outputs,
        "output_squared": outputs**2,
        "product": labels * outputs,
    }
    rows = {name: row * weights for name, row in rows.items()}
    names = ("rmse", "r2", "correlation")
    return Figures(len(labels), {**mae.parts, names: of_sums(rows, _of_sums)})


def _of_sums(sums: Sums) -> dict[str, np.ndarray]:
    mean = {name: value / sums["weight"] for name, value in sums.items()}
    labels = _variance(mean["label"], mean["label_squared"])
    outputs = _variance(mean["output"], mean["output_squared"])
    together = mean["product"] - mean["label"] * mean["output"]
    return {
        "rmse": np.sqrt(mean["error_squared"]),
        "r2": 1 - mean["error_squared"] / labels,
        "correlation": together / np.sqrt(labels * outputs),
    }


def _variance(mean: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Returns the variance; NaN where all numbers are equal."""
    variance = squares - mean**2
    return np.where(variance > ROUNDING * squares, variance, np.nan)
