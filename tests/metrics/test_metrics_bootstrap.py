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


def test_samples_of_a_group_are_drawn_together():
    groups = np.array([0, 0, 1, 2, 2, 2])
    counts = np.concatenate(list(draws(6, 50, seed=3, groups=groups)))
    for group in range(3):
        columns = counts[:, groups == group]
        assert (columns == columns[:, :1]).all()
    # Of three groups, three are drawn.
    assert (counts[:, [0, 2, 3]].sum(axis=1) == 3).all()


def test_two_speakers_are_no_forty_samples():
    """One is always right, the other never: the next one may be either."""
    right = np.repeat([True, False], 20)
    names = ["a"] * 20 + ["b"] * 20
    figures = means(np.ones(40), accuracy=right)
    apart = measure(figures, 500)["accuracy"]
    together = measure(figures.grouped(names, np.ones(40)), 500)["accuracy"]
    assert 0.3 < apart["low"] and apart["high"] < 0.7
    assert (together["low"], together["high"]) == (0, 1)


def test_one_group_has_no_interval():
    figures = means(np.ones(4), accuracy=np.array([1, 1, 0, 1]))
    found = measure(figures.grouped(["a"] * 4, np.ones(4)), 100)["accuracy"]
    assert found == {"value": 0.75, "low": None, "high": None}
    spans = drop_spans(
        figures.grouped(["a"] * 4, np.ones(4)), {"x": figures}, "accuracy"
    )
    assert spans == {"x": None}


def test_who_has_no_group_stands_alone():
    weights = np.array([1, 0, 1, 1, 1])
    figures = means(np.ones(4), accuracy=np.ones(4))
    grouped = figures.grouped(["a", "b", "a", "", ""], weights)
    assert grouped.units == 3 and len(set(grouped.groups[:2])) == 1
    with pytest.raises(ValueError, match="the group of each sample"):
        figures.grouped(["a", "b"], weights)


def test_an_interval_over_eight_groups_covers_as_often_as_it_says():
    """Groups that differ, four hundred times."""
    random, groups, covered = np.random.default_rng(0), np.arange(80) % 8, 0
    for place in range(400):
        values = random.normal(0, 1, 8)[groups] + random.normal(0, 1, 80)
        found = measure(
            means(np.ones(80), r2=values).grouped(
                [str(g) for g in groups], np.ones(80)
            ),
            200, seed=place,
        )["r2"]  # fmt: skip
        covered += found["low"] <= 0 <= found["high"]
    # 380 expected; three deviations are 13.
    assert covered >= 367


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
