"""The first figure of each kind of target, alone and among the others."""

import numpy as np
import pytest
from target_toys import target_of

from mmkeras.metrics import describe, has_label, measure, resample

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


def headline(kind):
    """The first figure of a target, and all of its figures."""
    target = target_of(kind, **({"steps": 5} if kind == "sequence" else {}))
    figures = target.figures(*CASES[kind])
    return target.headline, figures.only(target.headline), figures


@pytest.mark.parametrize("kind", CASES)
def test_it_is_the_figure_of_the_evaluation(kind):
    name, figure, figures = headline(kind)
    count = int(has_label(SOME).sum())
    value = measure(figures, resamples=0)[name]["value"]
    found = figure(np.ones((1, count)))[name][0]
    assert found == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("kind", CASES)
def test_its_resamples_are_those_of_the_evaluation(kind):
    name, figure, figures = headline(kind)
    found = resample({0: figure}, 400, seed=7)[0][name]
    wanted = measure(figures, resamples=400, seed=7)[name]
    low, high = np.percentile(found, (2.5, 97.5))
    assert low == pytest.approx(wanted["low"], abs=1e-12)
    assert high == pytest.approx(wanted["high"], abs=1e-12)


@pytest.mark.parametrize("kind", CASES)
def test_an_export_is_guarded_by_a_figure_that_has_no_unit(kind):
    target = target_of(kind)
    told = describe(target.guard)
    assert not told.in_units and not told.smaller_is_better
    found = target.figures(*CASES[kind]).values()
    assert {target.guard, target.headline} <= set(found)


@pytest.mark.parametrize(
    "name, label",
    [
        ("roc_auc_V", "ROC-AUC of V"),
        ("dice_left lung", "Dice of left lung"),
        ("entity_f1_drug", "F1 of drug"),
        ("roc_auc", "ROC-AUC"),
    ],
)
def test_a_figure_of_one_class_is_called_by_it(name, label):
    assert describe(name).label == label


def test_every_run_meets_the_same_draws(monkeypatch):
    monkeypatch.setattr("mmkeras.metrics.bootstrap.CHUNK", 3 * SAMPLES)
    outputs = DRAW.random((SAMPLES, 3))
    figures = target_of("category").figures(LABELS, outputs, SOME + 1)
    both = dict.fromkeys("ab", figures.only("accuracy"))
    found = resample(both, 10, seed=0)
    a, b = (found[name]["accuracy"] for name in "ab")
    assert a.shape == (10,)
    np.testing.assert_array_equal(a, b)
    assert len(set(a)) > 3
