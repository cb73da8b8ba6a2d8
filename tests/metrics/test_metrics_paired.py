"""Intervals and tests over seeds, against formulas and other libraries."""

import sys

import numpy as np
import pytest
from scipy import stats

from mmkeras.metrics import (
    estimate,
    holm,
    paired,
    seeds_for,
    sign_flip,
    smallest_p,
)


def test_without_test_samples_it_is_the_t_test():
    values = [0.81, 0.84, 0.80, 0.86, 0.83]
    found = estimate(values)
    low, high = stats.ttest_1samp(values, 0).confidence_interval()
    assert found["low"] == pytest.approx(low, rel=1e-12)
    assert found["high"] == pytest.approx(high, rel=1e-12)
    assert found["p"] == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


@pytest.mark.parametrize(("units", "freedom"), [(80, 3), (3, 2)])
def test_both_variances_add_up_with_the_fewer_degrees_of_freedom(
    units, freedom
):
    draw = np.random.default_rng(0)
    values = draw.normal(0.1, 0.05, 4)
    resampled = values[:, None] + draw.normal(0, 0.03, 500)
    found = estimate(values, resampled, units=units)
    seeds = values.var(ddof=1) / 4
    samples = resampled.mean(axis=0).var(ddof=1) * units / (units - 1)
    reach = stats.t.ppf(0.975, freedom) * np.sqrt(seeds + samples)
    assert found["low"] == pytest.approx(values.mean() - reach, rel=1e-12)
    assert found["high"] == pytest.approx(values.mean() + reach, rel=1e-12)


@pytest.mark.parametrize(
    ("values", "p"), [([0.0, 0.0, 0.0], 1.0), ([0.2, 0.2], 0.0)]
)
def test_what_never_varies_has_an_interval_of_a_point(values, p):
    found = estimate(values, np.tile(values, (5, 1)).T, 10)
    assert (found["low"], found["high"], found["p"]) == (
        values[0], values[0], p,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([0.02, 0.01, 0.03, 0.02, 0.01], 2 / 32),
        ([-0.02, -0.01, -0.03, -0.02, -0.01], 2 / 32),
        ([0.1, -0.1], 1.0),
        ([0.0, 0.0, 0.0], 1.0),
        ([3.0, 2.0, -1.0], 4 / 8),
    ],
)
def test_the_sign_flip_test_counts_every_pattern(differences, p):
    assert sign_flip(differences) == p


def test_the_sign_flip_test_is_scipys():
    differences = np.random.default_rng(1).normal(0.4, 1.0, 9)
    theirs = stats.permutation_test(
        (differences,),
        lambda x, axis: np.mean(x, axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    )
    assert sign_flip(differences) == pytest.approx(theirs.pvalue, abs=1e-12)


def test_few_seeds_cannot_show_much():
    assert smallest_p(5) == 0.0625
    assert sign_flip([1.0] * 5) == smallest_p(5)
    assert seeds_for() == 6


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ([0.01, 0.04], [0.02, 0.04]),
        ([0.04, 0.01, 0.03], [0.06, 0.03, 0.06]),
        ([0.9, 0.8], [1.0, 1.0]),
        ([0.5], [0.5]),
        ([], []),
    ],
)
def test_holms_correction(given, wanted):
    assert holm(given) == pytest.approx(wanted)


def test_arms_swapped_flip_the_signs_and_nothing_else():
    draw = np.random.default_rng(2)
    a, b = draw.random(5), draw.random(5)
    ra, rb = draw.random((5, 100)), draw.random((5, 100))
    one, other = paired(a, b, ra, rb, 50), paired(b, a, rb, ra, 50)
    assert one["mean"] == -other["mean"]
    assert (one["low"], one["high"]) == (-other["high"], -other["low"])
    assert one["p"] == other["p"]
    assert one["sign_flip_p"] == other["sign_flip_p"]
    assert one["above"] == other["below"]


def test_an_arm_against_itself_differs_by_exactly_nothing():
    draw = np.random.default_rng(3)
    a, ra = draw.random(5), draw.random((5, 100))
    found = paired(a, a, ra, ra, 50)
    assert (found["mean"], found["low"], found["high"]) == (0.0, 0.0, 0.0)
    assert (found["p"], found["sign_flip_p"], found["equal"]) == (1.0, 1.0, 5)


@pytest.mark.parametrize(
    ("of_seeds", "of_samples"), [(0.05, 0.0), (0.0, 0.5), (0.03, 0.3)]
)
def test_equal_arms_are_told_apart_in_at_most_one_of_twenty(
    of_seeds, of_samples
):
    """Two arms of one skill, four seeds, sixty samples, a thousand times."""
    draw = np.random.default_rng(4)
    counts = draw.multinomial(60, np.full(60, 1 / 60), 200) / 60
    wrong = 0
    for _ in range(1000):
        skill = draw.normal(0, of_seeds, (2, 4, 1))
        taste = draw.normal(0, of_samples, (2, 1, 60))
        runs = skill + taste + draw.normal(0, 0.05, (2, 4, 60))
        a, b = runs.mean(axis=2)
        found = paired(a, b, *(runs @ counts.T), units=60)
        wrong += not found["low"] <= 0 <= found["high"]
    # 50 expected of an exact test; 3 deviations above it are 71.
    assert wrong <= 71


def test_metrics_need_numpy_alone():
    import subprocess

    code = (
        "import sys, mmkeras.metrics; "
        "print({'keras', 'tensorflow', 'scipy', 'sklearn', 'pandas'} "
        "& set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert done.stdout.strip() == "set()", done.stderr


def test_a_comparison_needs_neither_tensorflow_nor_keras():
    import subprocess

    code = (
        "import sys; "
        "from mmkeras.studies.compare import summarise, write_comparison; "
        "print({'keras', 'tensorflow'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert done.stdout.strip() == "set()", done.stderr
