"""Stacking: weights of members, fitted on held-out samples."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_softmax

from mmkeras.studies.ensemble.combined_model import LEAST

# Penalty on the distance of the weights from the plain mean, for stability
# with few samples.
PULL = 0.01
FOLDS = 5


def fit_weights(
    activation: str,
    outputs: Sequence[np.ndarray],
    labels: np.ndarray,
    weights: np.ndarray,
) -> np.ndarray:
    """Returns one weight a member, `(members,)`, that `pooled` takes.

    A conditional logistic regression on the members' log-probabilities (for
    numbers, least squares on their predictions) with a single weight a member:
    a weight for each class would have to be learned from too few samples. The
    weights are free in sign and sum, so the pool is calibrated too.

    Args:
        activation: The target's: "softmax", "sigmoid" or "linear".
        outputs: Each member's predictions, `(samples, ...)`.
        labels: What is true.
        weights: 0 where there is no label.

    Source: Wolpert, "Stacked Generalization", 1992; for the pool Genest and
    Zidek, "Combining Probability Distributions", 1986.
    """
    there = np.asarray(weights) > 0
    truth = np.asarray(labels)[there]
    found = [np.asarray(output, "float64")[there] for output in outputs]
    if not len(truth):
        return np.full(len(outputs), 1 / len(outputs))
    if activation == "linear":
        return _least_squares(found, truth.reshape(-1).astype("float64"))
    loss = _independent if activation == "sigmoid" else _exclusive
    scores = np.stack([scores_of(activation, output) for output in found])
    start = np.full(len(outputs), 1 / len(outputs))

    def objective(w):
        value, slope = loss(scores, truth, w)
        return (
            value + PULL * ((w - start) ** 2).sum(),
            slope + 2 * PULL * (w - start),
        )

    return minimize(objective, start, jac=True, method="L-BFGS-B").x


def scores_of(activation: str, predictions: np.ndarray) -> np.ndarray:
    """Returns the scores that are summed, as `combined_model` computes them."""
    scores = np.log(predictions + LEAST)
    if activation == "sigmoid":
        return scores - np.log(1 + LEAST - predictions)
    return scores


def apply_weights(
    activation: str, outputs: Sequence[np.ndarray], weights: np.ndarray
) -> np.ndarray:
    """Returns the predictions of the pooled model."""
    if activation == "linear":
        return np.tensordot(weights, np.stack(outputs), axes=1)
    scores = np.stack([scores_of(activation, output) for output in outputs])
    total = np.tensordot(weights, scores, axes=1)
    if activation == "sigmoid":
        return expit(total)
    return np.exp(log_softmax(total, axis=-1))


def out_of_fold(
    activation: str,
    outputs: Sequence[np.ndarray],
    labels: np.ndarray,
    weights: np.ndarray,
    seed: int = 0,
) -> np.ndarray:
    """Returns out-of-fold predictions: no sample's own label was used.

    Five folds of the samples, so that the figure of the split that the
    weights are fitted on is not optimistic.
    """
    samples = len(labels)
    folds = np.random.default_rng(seed).permutation(samples) % FOLDS
    predictions = np.zeros_like(np.asarray(outputs[0], "float64"))
    for fold in range(min(FOLDS, samples)):
        seen, held = folds != fold, folds == fold
        found = fit_weights(
            activation, [o[seen] for o in outputs], labels[seen], weights[seen]
        )
        held_out = [np.asarray(o, "float64")[held] for o in outputs]
        predictions[held] = apply_weights(activation, held_out, found)
    return predictions


def _exclusive(scores, truth, w):
    """Mean negative log-likelihood of one class of several, and its slope."""
    classes = scores.shape[-1]
    scores = scores.reshape(len(w), -1, classes)
    rows, truth = np.arange(truth.size), truth.reshape(-1).astype(int)
    total = np.tensordot(w, scores, axes=1)
    logs = log_softmax(total, axis=-1)
    wanted = scores[:, rows, truth]
    expected = (scores * np.exp(logs)).sum(axis=-1)
    slope = (expected - wanted).mean(axis=1)
    return -logs[rows, truth].mean(), slope


def _independent(scores, truth, w):
    """Mean binary cross-entropy of any of several classes, and its slope."""
    total = np.tensordot(w, scores, axes=1)
    value = (np.logaddexp(0, total) - truth * total).mean()
    error = expit(total) - truth
    slope = (scores * error).reshape(len(w), -1).mean(axis=1)
    return value, slope


def _least_squares(outputs, truth):
    rows = np.stack([output.reshape(-1) for output in outputs])
    scale = max(truth.var() * len(truth), 1e-12)
    equal = np.full(len(rows), 1 / len(rows))
    left = rows @ rows.T / scale + PULL * np.eye(len(rows))
    return np.linalg.solve(left, rows @ truth / scale + PULL * equal)
