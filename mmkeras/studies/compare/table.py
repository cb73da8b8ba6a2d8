"""The figures of every run of one target, and what they say of the arms."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mmkeras.evaluation.baselines import constant_outputs
from mmkeras.evaluation.measure import HEADLINES, measure
from mmkeras.metrics import CONFIDENCE, estimate, holm, paired
from mmkeras.studies.compare.rows import NOTHING, mean_of, span_of
from mmkeras.studies.compare.scores import headline, labelled_samples, resample

Answers = Callable[
    [Mapping[str, Any], str], tuple[np.ndarray, np.ndarray, np.ndarray]
]


class Table:
    """The first figure of every run, for the test split and its resamples.

    Args:
        name: Name of the target.
        target: Its spec.
        header: As of `summary.summarise_target`.
        results: What was measured of each run.
        answers: From a result and a target to labels, outputs and weights.

    Attributes:
        samples: Test samples with a label.
        truth: Labels, outputs and weights of one of the runs.
    """

    def __init__(
        self,
        name: str,
        target: Any,
        header: Mapping[str, Any],
        results: Sequence[Mapping[str, Any]],
        answers: Answers,
    ) -> None:
        self.name, self.header, self.kind = name, header, target.kind
        self.by_run = {
            (each["fraction"], each["arm"], each["seed"]): each
            for each in results
        }
        metrics, self.samples = {}, 0
        for key, result in self.by_run.items():
            self.truth = answers(result, name)
            labels, outputs, weights = self.truth
            self.samples = int(labelled_samples(weights).sum())
            if self.samples:
                metrics[key] = headline(target.kind, labels, outputs, weights)
        ones = np.ones((1, self.samples))
        self.values = {key: float(m(ones)[0]) for key, m in metrics.items()}
        self.resampled = resample(
            metrics, max(1, self.samples), header["resamples"], seed=0
        )

    def of(self, fraction: float, arm: str) -> tuple[list[float], np.ndarray]:
        """Returns the figures of an arm's seeds, and those resampled.

        None for both where the figure of a seed is not defined.
        """
        keys = [(fraction, arm, seed) for seed in self.header["seeds"]]
        values = [self.values.get(key, math.nan) for key in keys]
        if not np.isfinite(values).all():
            return None, None
        return values, np.array([self.resampled[key] for key in keys])

    def row(self, fraction: float, arm: str) -> dict[str, Any]:
        """Returns the row of `table` of an arm."""
        values, resampled = self.of(fraction, arm)
        every = [
            self.by_run[fraction, arm, seed]["metrics"][self.name]
            for seed in self.header["seeds"]
        ]
        span = NOTHING
        if values is not None:
            found = estimate(values, resampled, self.samples)
            span = span_of(found, HEADLINES[self.kind])
        return {
            "fraction": fraction,
            "arm": arm,
            **span,
            "values": values or [],
            "metrics": {
                metric: mean_of([each.get(metric) for each in every])
                for metric in every[0]
            },
        }

    def pair(self, fraction: float, first: str, second: str) -> dict[str, Any]:
        """Returns the row of `pairs` of two arms."""
        row = {"fraction": fraction, "first": first, "second": second}
        a, a_resampled = self.of(fraction, first)
        b, b_resampled = self.of(fraction, second)
        if a is None or b is None:
            undefined = {"p": 1.0, "sign_flip_p": 1.0}
            return row | NOTHING | undefined | dict.fromkeys(COUNTS, 0)
        return row | paired(a, b, a_resampled, b_resampled, self.samples)


COUNTS = ("above", "below", "equal")


def corrected(pairs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns `pairs` with p-values corrected over all of them."""
    p_values = holm([row["p"] for row in pairs])
    return [
        {**row, "p_holm": p, "decided": p < 1 - CONFIDENCE}
        for row, p in zip(pairs, p_values, strict=True)
    ]


def majority(
    target: Any, table: Table, statistics: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Returns the figure of what knows the training labels alone, or None.

    Args:
        target: Spec of the target.
        table: Its table.
        statistics: Of the target in the training split.
    """
    labels, outputs, weights = table.truth
    constant = constant_outputs(
        target.kind,
        len(labels),
        statistics,
        list(getattr(target, "classes", ())),
        table.header["counts"]["train"],
    )
    if constant is None or not table.samples:
        return None
    if target.kind == "sequence":
        constant = np.broadcast_to(constant[:, None], outputs.shape)
    resamples = table.header["resamples"]
    found = measure(target.kind, labels, constant, weights, resamples)
    found = found[HEADLINES[target.kind]]
    name = {
        "categories": "class frequencies",
        "number": "mean of training",
    }.get(target.kind, "majority class")
    ends = {"mean": found["value"], "low": found["low"], "high": found["high"]}
    return {"name": name, **ends}
