"""Answers to the training split, out of fold: from what a run's towers found.

The run itself was trained on those samples, and k trainings would cost k
times as much as it did. So a logistic regression on the vectors of its towers
is fitted on all folds but one, and answers that one. The towers have seen the
labels, which hides some wrong ones; the classifier has not.
"""

from typing import Any

import numpy as np

# What a classifier is told is about 1; more iterations are not needed then.
ITERATIONS = 1000


def vectors_of(model: Any, batches: Any) -> np.ndarray | None:
    """Returns the vectors of all towers beside each other, `(samples, d)`.

    And which modalities are there, whose vectors are 0 where they are not.
    None where the model has no towers.

    Args:
        model: A model of `train`.
        batches: Of samples, in order.
    """
    from mmkeras.training import embedding_model
    from mmkeras.training.trainable import modalities

    names = modalities(model)
    if {f"{n}_tower" for n in names} - {layer.name for layer in model.layers}:
        return None
    towers, rows = embedding_model(model, tokens=()), []
    for x, *_ in batches:
        found = towers.predict_on_batch({name: x[name] for name in names})
        parts = [np.asarray(found[name]) for name in sorted(names)]
        if "present" in x:
            parts.append(np.asarray(x["present"]))
        rows.append(np.concatenate(parts, axis=1))
    return np.nan_to_num(np.concatenate(rows))


def folds_of(
    samples: int, folds: int, groups: np.ndarray | None, seed: int = 0
) -> np.ndarray:
    """Returns the fold of each sample, `(samples,)`; a group is in one.

    Args:
        samples: How many there are.
        folds: How many folds; fewer where there are fewer groups.
        groups: `(samples,)`; None where each sample is one of its own.
        seed: Of the draw of samples that have no groups.
    """
    from sklearn.model_selection import GroupKFold, KFold

    count = samples if groups is None else len(np.unique(groups))
    found = np.zeros(samples, int)
    # What there is one of cannot be parted: nothing is judged then.
    if (folds := min(folds, count)) < 2:
        return found
    split = KFold(folds, shuffle=True, random_state=seed)
    split = split if groups is None else GroupKFold(folds)
    places = np.arange(samples)
    for number, (_, rows) in enumerate(split.split(places, groups=groups)):
        found[rows] = number
    return found


def out_of_fold(
    vectors: np.ndarray,
    labels: np.ndarray,
    known: np.ndarray,
    answers: int,
    fold: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns probabilities of a classifier that has not seen the label.

    Args:
        vectors: `(samples, d)`.
        labels: `(samples,)` indices of answers.
        known: `(samples,)`, whether there is a label.
        answers: How many answers there are.
        fold: `(samples,)`, as `folds_of` deals them out.

    Returns:
        `(samples, answers)`, and `(samples,)`, whether a sample has them:
        not where its label is unknown or the other folds have one answer
        alone.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    found = np.zeros((len(vectors), answers))
    judged = np.zeros(len(vectors), bool)
    for one in np.unique(fold):
        seen, asked = known & (fold != one), known & (fold == one)
        if not asked.any() or len(np.unique(labels[seen])) < 2:
            continue
        model = make_pipeline(
            StandardScaler(), LogisticRegression(max_iter=ITERATIONS)
        )
        model.fit(vectors[seen], labels[seen])
        rows = np.flatnonzero(asked)
        found[np.ix_(rows, model.classes_)] = model.predict_proba(vectors[rows])
        judged[rows] = True
    return found, judged
