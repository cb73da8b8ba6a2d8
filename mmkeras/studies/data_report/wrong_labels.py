"""Labels that are probably wrong, by what a trained model answers.

Confident learning (Northcutt, Jiang and Chuang 2021, "Confident Learning:
Estimating Uncertainty in Dataset Labels"), from answers to samples that the
model was not trained on: those of validation and test. Those to the training
split are out of fold, see `training_labels`.
"""

from pathlib import Path
from typing import Any

import numpy as np

from mmkeras.data import read_manifest
from mmkeras.studies.data_report.training_labels import (
    folds_of,
    out_of_fold,
    vectors_of,
)

# Splits whose samples no weight was fitted to.
UNSEEN = ("validation", "test")


def confident_joint(
    labels: np.ndarray, probabilities: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Counts samples by given label and by the label they confidently have.

    A sample confidently has the most probable of those classes whose
    probability reaches the mean that it has among samples labelled so.

    Args:
        labels: `(samples,)` class indices.
        probabilities: `(samples, classes)`, of a model that was not trained
            on these samples.

    Returns:
        The joint, `(classes, classes)`: given label by row; and `(samples,)`
        the class that a sample confidently has, -1 where it has none.

    Example:

    >>> joint, found = confident_joint(
    ...     np.array([0, 0, 1, 1]),
    ...     np.array([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.9, 0.1]]))
    >>> joint.tolist(), found.tolist()
    ([[1, 0], [1, 1]], [0, -1, 1, 0])
    """
    classes = probabilities.shape[1]
    given = np.eye(classes)[labels]
    counts = given.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        limits = (given * probabilities).sum(axis=0) / counts
    # What nobody is labelled as has no mean to be compared with.
    reached = probabilities >= np.where(counts > 0, limits, np.inf) - 1e-9
    best = np.where(reached, probabilities, -1).argmax(axis=1)
    found = np.where(reached.any(axis=1), best, -1)
    joint = np.zeros((classes, classes), int)
    sure = found >= 0
    np.add.at(joint, (labels[sure], found[sure]), 1)
    return joint, found


def likely_wrong(
    labels: np.ndarray, probabilities: np.ndarray
) -> list[tuple[int, int]]:
    """Returns (sample, class it confidently has) off the joint's diagonal.

    The surest first: by how much more probable that class is than the label.
    The arguments are those of `confident_joint`.
    """
    found = confident_joint(labels, probabilities)[1]
    rows = np.flatnonzero((found >= 0) & (found != labels))
    margin = (
        probabilities[rows, found[rows]] - probabilities[rows, labels[rows]]
    )
    order = rows[np.argsort(-margin, kind="stable")]
    return [(int(row), int(found[row])) for row in order]


def labels_of_run(run: Path, folder: Path | None, folds: int) -> dict[str, Any]:
    """Returns, by target, labels that look wrong.

    Args:
        run: Folder of `train`.
        folder: Where its prepared data are now, if they have moved.
        folds: Of the training split; 0 leaves it out.

    Returns:
        By target, "samples" that were judged, "wrong": id, split, label,
        answer and the probabilities of both, and "training": what was done
        with the training split, a sentence. Targets without classes are left
        out.
    """
    from mmkeras import artefact, evaluation
    from mmkeras.model import load_model
    from mmkeras.runs import open_data

    manifest = artefact.read_manifest(run, "run")
    data = open_data(manifest, folder, augment=False)
    model = load_model(run)
    ids, splits, parts = [], [], []
    for split in UNSEEN:
        if not data.counts[split]:
            continue
        names = data.ids(split)
        ids, splits = ids + names, splits + [split] * len(names)
        parts.append(evaluation.predict(model, getattr(data, split)))
    found = {}
    for name, target in sorted(data.spec.targets.items()):
        outputs, labels, weights = (
            np.concatenate([part[which][name] for part in parts])
            for which in range(3)
        )
        chances = target.probabilities(outputs)
        if chances is not None:
            found[name] = _judged(target, chances, labels, weights, ids, splits)
            found[name]["training"] = "The training split is not judged."
    if folds:
        _add_training(found, model, data, folds)
    return found


def _add_training(found: dict, model: Any, data: Any, folds: int) -> None:
    """Adds the training split's labels, judged out of fold."""
    from mmkeras import evaluation

    vectors = vectors_of(model, data.ordered("train"))
    if vectors is None:
        for entry in found.values():
            entry["training"] = (
                "The training split is not judged: the model has no towers."
            )
        return
    ids = data.ids("train")
    groups, how = _groups(data, ids)
    fold = folds_of(len(ids), folds, groups)
    count = len(np.unique(fold))
    how = (
        f"The training split is judged by a logistic regression on the "
        f"standardised vectors of the run's towers, in {count} folds {how}; "
        "the towers were trained on these labels, which hides some wrong ones."
    )
    predicted = evaluation.predict(model, data.ordered("train"))
    for name, entry in found.items():
        target = data.spec.targets[name]
        if target.follows_time:
            entry["training"] = (
                "The training split is not judged: a label a step needs more "
                "than a vector."
            )
            continue
        outputs, labels, weights = (part[name] for part in predicted)
        shape = target.probabilities(outputs[:1]).shape[1:]
        labels = labels.reshape(len(ids), -1).astype(int)
        weights = np.broadcast_to(weights.reshape(len(ids), -1), labels.shape)
        asked = [
            out_of_fold(vectors, label, weight > 0, shape[1], fold)
            for label, weight in zip(labels.T, weights.T, strict=True)
        ]
        chances = np.stack([one for one, _ in asked], axis=1)
        judged = np.stack([one for _, one in asked], axis=1)
        splits = ["train"] * len(ids)
        more = _judged(target, chances, labels, judged, ids, splits)
        entry["samples"] += more["samples"]
        entry["wrong"] += more["wrong"]
        entry["wrong"].sort(key=_margin)
        entry["training"] = how


def _groups(data: Any, ids: list[str]) -> tuple[np.ndarray | None, str]:
    """Returns the group of each sample, if known, and what is said of it."""
    column = data.spec.split.group
    if not column:
        return None, "of samples"
    try:
        table = read_manifest(data.spec, data.spec.root)
        known = dict(zip(table["sample/id"], table[column], strict=True))
        return np.array([known[name] for name in ids]), f"by `{column}`"
    except (ValueError, OSError, KeyError):
        return None, (
            f"of samples (the manifest, which knows `{column}`, is not where "
            "it was)"
        )


def _margin(entry: dict) -> float:
    return entry["of_label"] - entry["of_answer"]


def _judged(target, chances, labels, weights, ids, splits) -> dict:
    """Judges each question of a target by itself."""
    questions = chances.shape[1]
    labels = labels.reshape(len(labels), -1).astype(int)
    weights = np.broadcast_to(
        weights.reshape(len(weights), -1), (len(labels), questions)
    )
    wrong, judged = [], 0
    for question in range(questions):
        rows = np.flatnonzero(weights[:, question] > 0)
        if not len(rows):
            continue
        judged += len(rows)
        given, sure = labels[rows, question], chances[rows, question]
        names = _names(target, question, sure.shape[1])
        for row, answer in likely_wrong(given, sure):
            wrong.append(
                {
                    "id": ids[rows[row]],
                    "split": splits[rows[row]],
                    "label": names[given[row]],
                    "answer": names[answer],
                    "of_label": round(float(sure[row, given[row]]), 4),
                    "of_answer": round(float(sure[row, answer]), 4),
                }
            )
    wrong.sort(key=_margin)
    return {"samples": judged, "wrong": wrong}


def _names(target: Any, question: int, answers: int) -> tuple[str, ...]:
    """Returns what the answers to a question are called."""
    names = target.class_names
    if answers == len(names):
        return names
    # Each class is a question, whose answers are no and yes.
    return (f"not {names[question]}", names[question])
