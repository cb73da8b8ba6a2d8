"""Figures of classes that have an order, such as grades."""

import numpy as np

from mmkeras.metrics.figures import Figures, Sums, labelled, of_sums

# Below it, a rounding error of a zero.
TINY = 1e-12


def rank_of(outputs: np.ndarray) -> np.ndarray:
    """Returns the class that CORN decides on: `(samples,)` indices.

    How many classes are passed with a chance above a half: the median of the
    classes, which errs by the fewest classes on average, where the likeliest
    one is right the most often. (Shi, Cao, Raschka, 2021, arXiv 2111.08851)

    Args:
        outputs: `(samples, classes)` probabilities, from the lowest class.

    Example:

    >>> rank_of(np.array([[0.4, 0.3, 0.3]]))
    array([1])
    """
    below = np.cumsum(outputs, axis=-1, dtype="float64")
    # An int8 file's probabilities do not add up to 1 exactly.
    return (below[..., :-1] < below[..., -1:] / 2).sum(axis=-1)


def ordered_classes(
    labels: np.ndarray, outputs: np.ndarray, weights: np.ndarray | None = None
) -> Figures:
    """Returns accuracy, mean distance in classes, and kappa.

    Kappa has quadratic weights (Cohen, 1968): 1 less the squared distance,
    over what it would be if predictions and labels were drawn independently.

    Args:
        labels: `(samples,)` class indices, from the lowest class.
        outputs: `(samples, classes)` probabilities, decided by `rank_of`.
        weights: `(samples,)`; 0 is left out.
    """
    labels, outputs, weights = labelled(labels, outputs, weights)
    labels, answer = labels.astype("float64"), rank_of(outputs)
    away = labels - answer
    rows = {
        "weight": np.ones(len(labels)),
        "right": away == 0,
        "away": np.abs(away),
        "away_squared": away**2,
        "label": labels,
        "label_squared": labels**2,
        "answer": answer,
        "answer_squared": answer**2,
    }
    rows = {name: row * weights for name, row in rows.items()}
    part = of_sums(rows, _of_sums)
    return Figures(len(labels), {("accuracy", "mae", "kappa"): part})


def _of_sums(sums: Sums) -> dict[str, np.ndarray]:
    mean = {name: value / sums["weight"] for name, value in sums.items()}
    label, answer = mean["label"], mean["answer"]
    # What the squared distance would be if predictions and labels were drawn
    # independently, each with its own frequencies.
    chance = mean["label_squared"] + mean["answer_squared"] - 2 * label * answer
    kappa = np.where(chance > TINY, 1 - mean["away_squared"] / chance, np.nan)
    return {"accuracy": mean["right"], "mae": mean["away"], "kappa": kappa}
