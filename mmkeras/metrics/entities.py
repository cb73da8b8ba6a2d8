"""Figures of labelled spans of a text: entity precision, recall and F1.

A span counts as found where its first token, its last one and its label are
those of a true one, as in CoNLL-2003 (Tjong Kim Sang, De Meulder, 2003, arXiv
cs/0306050) and seqeval. The counts are over the whole corpus, so that a text of
ten spans counts ten times as much as one of a single span.
"""

from collections.abc import Sequence

import numpy as np

from mmkeras.metrics.classes import per_step
from mmkeras.metrics.descriptions import OF_ENTITY
from mmkeras.metrics.figures import (
    Figures,
    Sums,
    labelled,
    mean_where,
    of_sums,
)
from mmkeras.metrics.tagged_spans import OUTSIDE, find_spans


def entities(
    labels: np.ndarray,
    outputs: np.ndarray,
    weights: np.ndarray | None,
    names: Sequence[str],
) -> Figures:
    """Returns precision, recall and F1 of all spans, and F1 of each label.

    "entity_macro_f1" is the mean over the labels that occur, as truth or as an
    answer.

    Args:
        labels: `(samples, tokens)` tags; see `tagged_spans`.
        outputs: `(samples, tokens, tags)` probabilities.
        weights: `(samples, tokens)`, or `(samples,)`; a token of weight 0,
            such as padding, is in no span, and a sample weighs what its
            heaviest token does.
        names: Of the labels.

    Example:

    >>> tags = np.array([[0, 1, 2, 0]])
    >>> entities(tags, np.eye(3)[tags], None, ["drug"]).values()["entity_f1"]
    1.0
    """
    labels, outputs, weights = labelled(labels, outputs, weights)
    known = per_step(labels, weights)
    truth, answers = (
        [{*find_spans(row)} for row in np.where(known > 0, tags, OUTSIDE)]
        for tags in (labels, outputs.argmax(axis=-1))
    )
    sample = known.max(axis=1, initial=0)
    each = {
        "hits": [t & a for t, a in zip(truth, answers, strict=True)],
        "true": truth,
        "answered": answers,
    }
    rows = {
        name: sample[:, None] * np.array([_counts(s, names) for s in spans])
        .reshape(-1, len(names))
        for name, spans in each.items()
    }  # fmt: skip

    def formula(sums: Sums) -> dict[str, np.ndarray]:
        hits, true, answered = (
            sums[name].sum(axis=-1) for name in ("hits", "true", "answered")
        )
        f1 = 2 * sums["hits"] / (sums["true"] + sums["answered"])
        occurs = sums["true"] + sums["answered"] > 0
        return {
            "entity_f1": 2 * hits / (true + answered),
            "entity_precision": hits / answered,
            "entity_recall": hits / true,
            "entity_macro_f1": mean_where(f1, occurs),
            **{OF_ENTITY + n: f1[:, i] for i, n in enumerate(names)},
        }

    told = (
        "entity_f1",
        "entity_precision",
        "entity_recall",
        "entity_macro_f1",
        *(OF_ENTITY + name for name in names),
    )
    return Figures(len(labels), {told: of_sums(rows, formula)})


def _counts(spans: set, names: Sequence[str]) -> np.ndarray:
    return np.bincount(
        np.array([label for *_, label in spans], int), minlength=len(names)
    )


def missed_spans(
    labels: np.ndarray, outputs: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Returns how wrong each sample is: spans that are missed or made up.

    And between those with as many, how improbable the true tags are.

    Args:
        labels: As for `entities`.
        outputs: As for `entities`.
        weights: As for `entities`.

    Returns:
        `(samples,)`.
    """
    known = per_step(labels, np.asarray(weights)) > 0
    found = []
    for row, output, there in zip(labels, outputs, known, strict=True):
        row = row.astype(int)
        true, answered = (
            {*find_spans(np.where(there, tags, OUTSIDE))}
            for tags in (row, output.argmax(axis=-1))
        )
        likely = np.take_along_axis(output, row[:, None], axis=1)[:, 0]
        doubt = 1 - likely[there].mean() if there.any() else 0.0
        found.append(len(true ^ answered) + doubt)
    return np.array(found)
