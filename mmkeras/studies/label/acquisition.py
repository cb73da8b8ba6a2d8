"""Acquisition functions of active learning: which samples to label first."""

from typing import Any

import numpy as np

STRATEGIES = ("entropy", "margin", "confidence", "disagreement", "doubt")


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """Returns the entropy of the last axis, 1 if uniform."""
    safe = np.clip(probabilities, 1e-12, 1)
    return -(safe * np.log(safe)).sum(axis=-1) / np.log(safe.shape[-1])


def disagreement(votes: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Returns how much the modalities contradict each other, 0 to 1.

    The Jensen-Shannon divergence of their predictions, the entropy of the
    mean less the mean of the entropies, as a share of the most that so many
    modalities can reach; the mean over the decisions of a sample. Modalities
    that are all unsure do not contradict each other. With fewer than two
    modalities it is 0.

    Args:
        votes: Probabilities of each modality alone, `(modalities, samples,
            decisions, classes)`.
        present: `(modalities, samples)`, which samples have which.

    Source: Lin, "Divergence Measures Based on the Shannon Entropy", 1991; as
    an acquisition function, query by committee: Settles, "Active Learning
    Literature Survey", 2009, 3.2.2.
    """
    here = present.astype(float)
    count = here.sum(axis=0)
    share = here / np.maximum(count, 1)
    mean = np.einsum("vn,vnqk->nqk", share, votes)
    spread = np.einsum("vn,vnq->nq", share, entropy(votes))
    classes = votes.shape[-1]
    most = np.log(np.minimum(np.maximum(count, 2), classes)) / np.log(classes)
    found = (entropy(mean) - spread).mean(axis=-1) / most
    return np.where(count > 1, np.clip(found, 0, 1), 0.0)


def judge(
    strategy: str,
    probabilities: np.ndarray,
    votes: np.ndarray | None = None,
    present: np.ndarray | None = None,
    known: np.ndarray | None = None,
) -> dict[str, Any]:
    """Returns the two likeliest classes of each sample, and its rank.

    Of several decisions, the least confident one counts.

    Args:
        strategy: What makes a sample worth a label: "entropy" (of the
            prediction, as a share of its maximum), "margin" (1 less the lead of
            the first class over the second), "confidence" (1 less the
            probability of the first), "disagreement" (between modalities) or
            "doubt" (1 less the probability of the label it has: a search for
            wrong labels).
        probabilities: `(samples, decisions, classes)`.
        votes: See `disagreement`.
        present: See `disagreement`.
        known: `(samples, decisions)` labels, for "doubt".

    Returns:
        "first" and "second", `(samples, decisions)`; "confidence",
        "second_confidence", "margin" and "informativeness", `(samples,)`.

    Example:

    >>> judge("margin", np.array([[[0.7, 0.2, 0.1]]]))["informativeness"]
    array([0.5])
    """
    order = np.argsort(-probabilities, axis=-1, kind="stable")
    ranked = np.take_along_axis(probabilities, order, axis=-1)
    confidence = ranked[..., 0].min(axis=-1)
    margin = (ranked[..., 0] - ranked[..., 1]).min(axis=-1)
    if strategy == "entropy":
        rank = entropy(probabilities).mean(axis=-1)
    elif strategy == "margin":
        rank = 1 - margin
    elif strategy == "confidence":
        rank = 1 - confidence
    elif strategy == "disagreement":
        rank = disagreement(votes, present)
    else:
        places = known[..., None].astype(int)
        of_label = np.take_along_axis(probabilities, places, axis=-1)
        rank = 1 - of_label[..., 0].min(axis=-1)
    return {
        "first": order[..., 0],
        "second": order[..., 1],
        "confidence": confidence,
        "second_confidence": ranked[..., 1].max(axis=-1),
        "margin": margin,
        "informativeness": rank,
    }
