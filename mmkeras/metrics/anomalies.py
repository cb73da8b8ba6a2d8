"""Figures of scores that say how far a sample is from normal."""

from collections.abc import Sequence

import numpy as np

from mmkeras.metrics.figures import Figures, Part, Sums, labelled, of_sums
from mmkeras.metrics.roc import roc_auc


def anomalies(
    labels: np.ndarray,
    outputs: np.ndarray,
    weights: np.ndarray | None = None,
    names: Sequence[str] = (),
) -> Figures:
    """Returns how well scores tell abnormal samples from normal ones.

    ROC-AUC and average precision, whatever the threshold; and, at it, which
    is a score of 1, the share of abnormal samples that are found and of
    normal ones that are a false alarm. Without a label there is no figure.

    Args:
        labels: `(samples,)`: 0 normal, k the k-th abnormal class, below 0
            unknown.
        outputs: `(samples,)` or `(samples, 1)` scores.
        weights: `(samples,)`; 0 is left out.
        names: Of the abnormal classes; of two or more, `roc_auc_NAME` is that
            of one against the normal samples.
    """
    labels, outputs, weights = labelled(labels, outputs, weights)
    known = labels >= 0
    labels, weights = labels[known], weights[known]
    scores = outputs.reshape(len(outputs), -1)[known, 0].astype("float64")
    abnormal = labels > 0
    parts: dict[tuple[str, ...], Part] = {
        ("roc_auc",): _area("roc_auc", abnormal, scores, weights),
        ("average_precision",): _precision(abnormal, scores, weights),
        ("detection_rate", "false_alarm_rate"): _at_threshold(
            abnormal, scores > 1, weights
        ),
    }
    for place, name in enumerate(names if len(names) > 1 else (), 1):
        key = f"roc_auc_{name}"
        these = labels == place
        counted = weights * (these | ~abnormal)
        parts[(key,)] = _area(key, these, scores, counted)
    return Figures(len(labels), parts)


def _area(
    name: str, truth: np.ndarray, scores: np.ndarray, weights: np.ndarray
) -> Part:
    each = roc_auc(truth[:, None], scores[:, None], weights)
    return lambda counts: {name: each(counts)[:, 0]}


def _at_threshold(
    abnormal: np.ndarray, alarm: np.ndarray, weights: np.ndarray
) -> Part:
    rows = {
        "abnormal": weights * abnormal,
        "normal": weights * ~abnormal,
        "found": weights * (abnormal & alarm),
        "false": weights * (~abnormal & alarm),
    }

    def formula(sums: Sums) -> dict[str, np.ndarray]:
        return {
            "detection_rate": sums["found"] / sums["abnormal"],
            "false_alarm_rate": sums["false"] / sums["normal"],
        }

    return of_sums(rows, formula)


def _precision(
    abnormal: np.ndarray, scores: np.ndarray, weights: np.ndarray
) -> Part:
    """Returns the average precision as a function of draws.

    The area under precision by recall, in steps; one score is one step.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, truth = scores[order], abnormal[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] < ranked[:-1]])
    each = weights[order]

    def part(counts: np.ndarray) -> dict[str, np.ndarray]:
        drawn = counts[:, order]
        hits = np.add.reduceat(drawn * (each * truth), starts, axis=1)
        size = np.add.reduceat(drawn * each, starts, axis=1)
        precision = hits.cumsum(axis=1) / size.cumsum(axis=1)
        # Before the first one that is drawn there is no precision.
        area = np.where(hits > 0, hits * precision, 0).sum(axis=1)
        return {"average_precision": area / hits.sum(axis=1)}

    return part
