"""The headline figures of all runs of one target, arm by arm."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mmkeras.metrics import (
    CONFIDENCE,
    MIN_SEEDS,
    estimate,
    holm,
    measure,
    paired,
    resample,
)
from mmkeras.studies.compare.seed_intervals import NOTHING, mean_of, span_of

Answers = Callable[
    [Mapping[str, Any], str], tuple[np.ndarray, np.ndarray, np.ndarray]
]


class Table:
    """The headline figure of every run, on the test split and its resamples.

    Args:
        name: Name of the target.
        target: Its spec.
        header: As of `summary.summarise_target`.
        results: What was measured of each run.
        answers: From a result and a target to labels, outputs and weights.

    Attributes:
        samples: Test samples with a label.
        units: Groups of them; as many where each stands for itself.
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
        self.name, self.header, self.headline = name, header, target.headline
        self.by_run = {
            (each["fraction"], each["arm"], each["seed"]): each
            for each in results
        }
        figures, self.samples, self.units = {}, 0, 0
        for key, result in self.by_run.items():
            self.truth = answers(result, name)
            found = target.figures(*self.truth).only(self.headline)
            figures[key] = found.grouped(header["groups"], self.truth[2])
            self.samples, self.units = found.samples, figures[key].units
        self.values = {
            key: each.values().get(self.headline, math.nan)
            for key, each in figures.items()
        }
        resampled = resample(figures, header["resamples"], seed=0)
        self.resampled = {
            key: found[self.headline] for key, found in resampled.items()
        }

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
            found = estimate(values, resampled, self.units)
            span = span_of(found, self.headline)
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
        return row | paired(a, b, a_resampled, b_resampled, self.units)


COUNTS = ("above", "below", "equal")


def corrected(
    pairs: Sequence[dict[str, Any]], seeds: int
) -> list[dict[str, Any]]:
    """Returns `pairs` with p-values corrected over all of them.

    Nothing is decided by fewer than three seeds.
    """
    p_values = holm([row["p"] for row in pairs])
    enough = seeds >= MIN_SEEDS
    return [
        {**row, "p_holm": p, "decided": enough and p < 1 - CONFIDENCE}
        for row, p in zip(pairs, p_values, strict=True)
    ]


def majority(
    target: Any, table: Table, statistics: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Returns the figure of the constant baseline, or None.

    Args:
        target: The target.
        table: Its table.
        statistics: Of the target in the training split.
    """
    labels, outputs, weights = table.truth
    samples = table.header["counts"]["train"]
    constant = target.constant(statistics, samples)
    if constant is None or not table.samples:
        return None
    constant = np.broadcast_to(constant, outputs.shape)
    figure = target.figures(labels, constant, weights).only(target.headline)
    figure = figure.grouped(table.header["groups"], weights)
    found = measure(figure, table.header["resamples"])[target.headline]
    ends = {"mean": found["value"], "low": found["low"], "high": found["high"]}
    return {"name": target.baseline, **ends}
