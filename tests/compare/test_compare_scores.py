"""The first figure of each kind, for the samples and for their resamples."""

import numpy as np
import pytest

from mmkeras.evaluation import HEADLINES, measure
from mmkeras.studies.compare.scores import headline, labelled_samples, resample

DRAW = np.random.default_rng(0)
SAMPLES = 40
LABELS = DRAW.integers(0, 3, SAMPLES)
SOME = (DRAW.random(SAMPLES) < 0.8).astype("float32")
STEPS = DRAW.integers(0, 3, (SAMPLES, 5))
CASES = {
    "category": (LABELS, DRAW.random((SAMPLES, 3)), SOME),
    "categories": (
        (DRAW.random((SAMPLES, 3)) < 0.4).astype("float32"),
        DRAW.random((SAMPLES, 3)),
        SOME,
    ),
    "ordinal": (LABELS, DRAW.random((SAMPLES, 3)), SOME),
    "number": (DRAW.random(SAMPLES), DRAW.random((SAMPLES, 1)), SOME),
    "sequence": (STEPS, DRAW.random((SAMPLES, 5, 3)), SOME),
    "embedding": (LABELS, DRAW.normal(size=(SAMPLES, 4)), SOME),
}


@pytest.mark.parametrize("kind", CASES)
def test_it_is_the_figure_of_the_evaluation(kind):
    metric = headline(kind, *CASES[kind])
    count = int(labelled_samples(SOME).sum())
    value = measure(kind, *CASES[kind], resamples=0)[HEADLINES[kind]]["value"]
    assert metric(np.ones((1, count)))[0] == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("kind", CASES)
def test_its_resamples_are_those_of_the_evaluation(kind):
    count = int(labelled_samples(SOME).sum())
    found = resample({0: headline(kind, *CASES[kind])}, count, 400, seed=7)[0]
    wanted = measure(kind, *CASES[kind], resamples=400, seed=7)[HEADLINES[kind]]
    low, high = np.percentile(found, (2.5, 97.5))
    assert low == pytest.approx(wanted["low"], abs=1e-12)
    assert high == pytest.approx(wanted["high"], abs=1e-12)


def test_every_run_meets_the_same_draws(monkeypatch):
    monkeypatch.setattr("mmkeras.studies.compare.scores.CHUNK", 3 * SAMPLES)
    metric = headline("category", LABELS, DRAW.random((SAMPLES, 3)), SOME + 1)
    found = resample({"a": metric, "b": metric}, SAMPLES, 10, seed=0)
    assert found["a"].shape == (10,)
    np.testing.assert_array_equal(found["a"], found["b"])
    assert len(set(found["a"])) > 3
