"""Figures of forecasts and of anomalies, against NumPy and scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics as sk

from mmkeras.heads import interval_factors
from mmkeras.metrics import anomalies, forecasts, measure

DRAW = np.random.default_rng(0)
QUANTILES = (0.1, 0.5, 0.9)
LABELS = DRAW.normal(size=(40, 5, 2)).cumsum(axis=1)
NOISE = DRAW.normal(size=(40, 5, 2, 3))
OUTPUTS = np.sort(LABELS[..., None] + NOISE, axis=-1)
WEIGHTS = (DRAW.random(LABELS.shape) < 0.8).astype(float)


def test_errors_of_a_forecast_are_those_of_its_known_steps():
    found = forecasts(LABELS, OUTPUTS, WEIGHTS).values()
    known = WEIGHTS > 0
    error = np.abs(LABELS - OUTPUTS[..., 1])[known]
    low, high = OUTPUTS[..., 0][known], OUTPUTS[..., 2][known]
    inside = (LABELS[known] >= low) & (LABELS[known] <= high)
    pinball = np.mean(
        [
            sk.mean_pinball_loss(LABELS[known], OUTPUTS[known][:, i], alpha=q)
            for i, q in enumerate(QUANTILES)
        ]
    )
    assert found["mae"] == pytest.approx(error.mean())
    assert found["coverage"] == pytest.approx(inside.mean())
    assert found["width"] == pytest.approx((high - low).mean())
    assert found["pinball"] == pytest.approx(2 * pinball)


def test_scaled_errors_do_not_depend_on_the_units_of_channels():
    units = np.array([1.0, 1000.0])
    one = forecasts(LABELS, OUTPUTS, WEIGHTS).values()
    other = forecasts(
        LABELS * units, OUTPUTS * units[:, None], WEIGHTS
    ).values()
    for name in ("mase", "skill", "coverage"):
        assert one[name] == pytest.approx(other[name])


def test_a_forecast_as_the_step_before_has_a_scaled_error_of_one():
    before = LABELS[:, :-1, :, None].repeat(3, axis=-1)
    found = forecasts(LABELS[:, 1:], before).values()
    change = np.abs(np.diff(LABELS[:, 1:], axis=1)).mean(axis=(0, 1))
    error = np.abs(LABELS[:, 1:] - LABELS[:, :-1]).mean(axis=(0, 1))
    assert found["mase"] == pytest.approx((error / change).mean())
    perfect = forecasts(LABELS, LABELS[..., None].repeat(3, -1)).values()
    assert (perfect["skill"], perfect["mae"]) == (1, 0)


def test_without_a_known_step_a_forecast_has_no_figure():
    assert forecasts(LABELS, OUTPUTS, 0 * WEIGHTS).values() == {}


def test_a_series_that_stands_still_has_no_scaled_error():
    still = np.ones((3, 4, 1))
    found = measure(forecasts(still, still[..., None].repeat(3, -1)), 0)
    assert found["mase"]["value"] is None
    assert found["mae"]["value"] == 0


def test_widened_intervals_cover_their_share_of_new_samples():
    draw = np.random.default_rng(1)
    # Of two channels, of which one is far more certain than it is right.
    labels = draw.normal(size=(4000, 1, 2)) * [1.0, 5.0]
    outputs = np.broadcast_to([-1.0, 0.0, 1.0], (4000, 1, 2, 3))
    factors = interval_factors(
        labels[:2000], outputs[:2000], np.ones((2000, 1, 2)), QUANTILES
    )
    wider = np.stack(
        [-factors[:, 0], np.zeros(2), factors[:, 0]], axis=-1
    ) * np.ones((2000, 1, 1, 1))
    found = forecasts(labels[2000:], wider).values()
    assert 0.78 <= found["coverage"] <= 0.82
    assert factors[1, 0] == pytest.approx(5 * factors[0, 0], rel=0.1)


@pytest.mark.parametrize("known", [0, 3])
def test_too_few_labels_leave_intervals_as_they_are(known):
    weights = np.zeros((8, 1, 1))
    weights[:known] = 1
    labels = np.full((8, 1, 1), 9.0)
    outputs = np.broadcast_to([-1.0, 0.0, 1.0], (8, 1, 1, 3))
    found = interval_factors(labels, outputs, weights, QUANTILES)
    assert found.tolist() == [[1.0]]


@pytest.fixture
def scored():
    draw = np.random.default_rng(2)
    labels = draw.integers(-1, 3, 300)
    # Rounded, for there to be ties.
    scores = np.round(draw.normal(size=300) + (labels > 0), 1)
    weights = (draw.random(300) < 0.8) * draw.choice([1.0, 2.0], 300)
    return labels, scores, weights


def test_areas_of_anomalies_are_those_of_scikit_learn(scored):
    labels, scores, weights = scored
    found = anomalies(*scored, names=("V", "S")).values()
    known = (labels >= 0) & (weights > 0)
    truth, rest = labels[known] > 0, (scores[known], weights[known])
    area = sk.roc_auc_score(truth, rest[0], sample_weight=rest[1])
    precision = sk.average_precision_score(
        truth, rest[0], sample_weight=rest[1]
    )
    assert found["roc_auc"] == pytest.approx(area)
    assert found["average_precision"] == pytest.approx(precision)
    known &= labels != 2
    area = sk.roc_auc_score(
        labels[known] == 1, scores[known], sample_weight=weights[known]
    )
    assert found["roc_auc_V"] == pytest.approx(area)


def test_rates_of_anomalies_are_those_at_a_score_of_one():
    labels = np.array([0, 0, 0, 0, 1, 2, -1])
    scores = np.array([0.5, 1.0, 1.1, 0.2, 3.0, 0.9, 99.0])
    found = anomalies(labels, scores[:, None]).values()
    assert found["false_alarm_rate"] == 0.25
    assert found["detection_rate"] == 0.5


def test_an_interval_of_average_precision_holds_its_value(scored):
    found = measure(anomalies(*scored), 200)["average_precision"]
    assert found["low"] < found["value"] < found["high"]


def test_scores_without_any_label_have_no_figure():
    found = anomalies(np.full(4, -1), np.ones((4, 1)))
    assert found.values() == found.only("roc_auc").values() == {}


def test_one_sort_of_samples_alone_has_no_area():
    found = measure(anomalies(np.zeros(4), np.arange(4.0)), 20)
    assert found["roc_auc"]["value"] is None
    assert found["false_alarm_rate"]["value"] == 0.5
