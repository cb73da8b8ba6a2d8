"""The bootstrap: its intervals, and what is drawn."""

import numpy as np
import pytest
import scipy.stats
from metrics.metrics_toys import fractions, identities, number, single

from mmkeras.metrics import (
    draws,
    drop_spans,
    means,
    measure,
    recall_within,
    regression,
    resample,
    single_label,
)


def test_an_interval_is_that_of_scipy():
    labels, outputs = number()
    error = np.abs(outputs[:, 0] - labels)
    want = scipy.stats.bootstrap(
        (error,), np.mean, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    got = measure(regression(labels, outputs), 4000, seed=1)["mae"]
    np.testing.assert_allclose((got["low"], got["high"]), want, rtol=0.02)


def test_what_is_drawn_does_not_depend_on_the_size_of_the_parts(monkeypatch):
    whole = np.concatenate(list(draws(9, 50, seed=3)))
    assert whole.shape == (50, 9) and (whole.sum(axis=1) == 9).all()
    monkeypatch.setattr("mmkeras.metrics.bootstrap.CHUNK", 3 * 9)
    parts = list(draws(9, 50, seed=3))
    assert len(parts) == 17
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_samples_without_a_label_are_never_drawn():
    labels, outputs = single()
    weights = fractions(len(labels))
    rows = weights > 0
    wrong = np.where(rows, labels, (labels + 1) % 4)
    assert measure(single_label(wrong, outputs, weights), 30) == measure(
        single_label(labels[rows], outputs[rows], weights[rows]), 30
    )


def test_what_is_undefined_has_no_interval():
    found = measure(regression(np.full(5, 2.0), np.arange(5.0)), 20)
    assert found["r2"] == {"value": None, "low": None, "high": None}
    assert found["mae"]["low"] < found["mae"]["value"] < found["mae"]["high"]
    assert measure(regression([], []), 20) == {}


def test_figures_are_resampled_by_the_same_draws():
    labels, outputs = single()
    worse = outputs[:, ::-1]
    both = {
        name: single_label(labels, each).only("accuracy")
        for name, each in (("good", outputs), ("bad", worse))
    }
    together = resample(both, 40, seed=2)
    for name, figures in both.items():
        alone = resample({0: figures}, 40, seed=2)[0]["accuracy"]
        np.testing.assert_array_equal(together[name]["accuracy"], alone)


def test_figures_over_other_samples_are_not_resampled_together():
    one, other = (
        means(np.ones(2), x=np.ones(2)),
        means(np.ones(3), x=np.ones(3)),
    )
    with pytest.raises(ValueError, match="same samples.*over 2 and over 3"):
        resample({0: one, 1: other}, 10, seed=0)


def test_a_drop_is_paired():
    labels, outputs = single(samples=200)
    before = single_label(labels, outputs)
    after = {"same": before, "worse": single_label(labels, outputs[:, ::-1])}
    found = drop_spans(before, after, "accuracy", resamples=300)
    assert found["same"] == (0.0, 0.0)
    low, high = found["worse"]
    lost = before.values()["accuracy"] - after["worse"].values()["accuracy"]
    assert 0 < low < lost < high


def test_a_drop_that_no_resample_has_has_no_interval():
    equal = regression(np.ones(4), np.arange(4.0))
    assert drop_spans(equal, {"x": equal}, "r2", 20) == {"x": None}
    nothing = regression([], [])
    assert drop_spans(nothing, {"x": nothing}, "mae", 20) == {"x": None}


def test_a_constant_finds_nothing():
    labels, outputs = identities()
    found = recall_within(labels, np.ones_like(outputs)).values()
    assert found["recall_at_1"] == 0.0
