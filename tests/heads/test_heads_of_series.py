"""Heads of forecasts and of anomalies: what they compute and choose."""

import keras
import numpy as np
import pytest

from mmkeras import heads

# Batch, steps and channels alike: where Keras adds along a wrong axis.
SIZE = 4
DRAW = np.random.default_rng(0)


def model_of(head, steps=SIZE, channels=SIZE, mask=None):
    """Returns a head on a series whose tower answers its mean."""
    x = keras.Input((steps, channels), name="wave")
    known = keras.ops.where(keras.ops.isnan(x), keras.ops.zeros_like(x), x)
    tokens = keras.layers.Dense(3, name="dense")(known)
    seen = {
        "vector": keras.ops.mean(tokens, axis=1),
        "tokens": tokens,
        "mask": keras.ops.ones_like(tokens[:, :, 0]),
        "input": x,
    }
    inputs = {"wave": x}
    if mask is not None:
        inputs["present"] = keras.Input((1,), name="present")
        seen["mask"] = seen["mask"] * inputs["present"]
    output = head(seen["vector"], "next", {"wave": seen})
    return keras.Model(inputs, {"next": output})


def forecast(**changes):
    given = {
        "steps": SIZE, "channels": SIZE, "modality": "wave",
        "places": tuple(range(SIZE)), "mean": (10.0,) * SIZE,
        "std": (2.0,) * SIZE,
    }  # fmt: skip
    return heads.Forecast(**{**given, **changes})


def silence(model):
    """Lets a head predict nothing but the median it is about."""
    model.get_layer("next_standard").set_weights(
        [
            np.zeros(w.shape)
            for w in model.get_layer("next_standard").get_weights()
        ]
    )


def test_a_forecast_that_has_learned_nothing_is_the_last_known_value():
    model = model_of(forecast())
    silence(model)
    x = DRAW.normal(size=(SIZE, SIZE, SIZE)).astype("float32")
    x[0, -2:, 1] = np.nan
    x[1, :, 2] = np.nan
    last = x[:, -1].copy()
    # A gap at the end, and a channel that is one from end to end.
    last[0, 1], last[1, 2] = x[0, 1, 1], 10.0
    found = model.predict({"wave": x}, verbose=0)["next"]
    for step in range(SIZE):
        np.testing.assert_allclose(found[:, step, :, 1], last, rtol=1e-5)


@pytest.mark.parametrize("batch", [1, SIZE, SIZE + 1])
def test_a_forecast_is_the_same_in_a_batch_of_any_size(batch):
    model = model_of(forecast())
    x = DRAW.normal(size=(batch, SIZE, SIZE)).astype("float32")
    alone = [np.asarray(model({"wave": x[i : i + 1]})["next"]) for i in
             range(batch)]  # fmt: skip
    together = np.asarray(model({"wave": x})["next"])
    np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-5)


def test_of_an_absent_series_the_mean_goes_on():
    model = model_of(forecast(), mask=True)
    silence(model)
    x = np.zeros((2, SIZE, SIZE), "float32")
    given = {"wave": x, "present": np.zeros((2, 1), "float32")}
    found = model.predict(given, verbose=0)["next"]
    np.testing.assert_allclose(found[..., 1], 10.0, rtol=1e-6)


@pytest.mark.parametrize("factors", [1.0, 0.01, 30.0])
def test_quantiles_never_cross_however_intervals_are_corrected(factors):
    five = forecast(quantiles=(0.05, 0.25, 0.5, 0.75, 0.95))
    model = model_of(five)
    layer = model.get_layer("next_quantiles")
    layer.factors.assign([[factors, 1.0]] * SIZE)
    x = 9 * DRAW.normal(size=(8, SIZE, SIZE)).astype("float32")
    found = model.predict({"wave": x}, verbose=0)["next"]
    assert (np.diff(found, axis=-1) >= 0).all()


def test_the_pinball_loss_is_that_of_scikit_learn():
    from sklearn.metrics import mean_pinball_loss

    labels = DRAW.normal(size=(6, 3, 1))
    outputs = DRAW.normal(size=(6, 3, 1, 3))
    head = heads.Forecast(3, 1, std=(2.0,))
    wanted = np.mean(
        [
            mean_pinball_loss(labels.ravel(), outputs[..., i].ravel(), alpha=q)
            for i, q in enumerate(head.quantiles)
        ]
    )
    assert float(head.loss()(labels, outputs)) == pytest.approx(wanted)


def test_intervals_are_corrected_on_the_samples_held_out():
    head = forecast(std=(0.5,) * SIZE)
    model = model_of(head)
    x = DRAW.normal(size=(400, SIZE, SIZE)).astype("float32")
    y = x[:, -1:] + DRAW.normal(size=x.shape)
    batch = {"wave": x}, {"next": y}, {"next": np.ones(y.shape)}
    told = head.settle(model, "next", lambda: [batch])
    found = model.predict(batch[0], verbose=0)["next"]
    inside = (y >= found[..., 0]) & (y <= found[..., 2])
    assert inside.mean() == pytest.approx(0.8, abs=0.01)
    assert told["labels"] == y.size
    again = head.settle(model, "next", lambda: [batch])
    assert again == told


def anomaly(**changes):
    given = {
        "modalities": ("wave",), "code": 2,
        "scales": {"wave": ([0.0] * SIZE, [1.0] * SIZE)},
    }  # fmt: skip
    return heads.Anomaly(**{**given, **changes})


def test_a_sample_with_a_gap_is_judged_by_what_is_known_of_it():
    model = model_of(anomaly())
    model.get_layer("next_wave_rebuilt").set_weights(
        [
            np.zeros(w.shape)
            for w in model.get_layer("next_wave_rebuilt").get_weights()
        ]
    )
    x = DRAW.normal(size=(5, SIZE, SIZE)).astype("float32")
    x[2, 1:, 0] = np.nan
    found = model.predict({"wave": x}, verbose=0)["next"]
    wanted = np.nanmean(x.reshape(5, -1) ** 2, axis=1)
    np.testing.assert_allclose(found[:, 0], wanted, rtol=1e-5)


def test_a_difference_counts_less_where_there_often_is_one():
    model = model_of(anomaly(spread=True))
    usual = np.exp(DRAW.normal(size=SIZE * SIZE))
    for name, bias in (("rebuilt", np.zeros(SIZE**2)), ("spread", usual)):
        layer = model.get_layer(f"next_wave_{name}")
        kernel = np.zeros(layer.kernel.shape)
        bias = np.log(bias) if name == "spread" else bias
        layer.set_weights([kernel, bias])
    x = DRAW.normal(size=(5, SIZE, SIZE)).astype("float32")
    x[2, 1:, 0] = np.nan
    found = model.predict({"wave": x}, verbose=0)["next"][:, 0]
    for row, score in zip(x.reshape(5, -1), found, strict=True):
        known = np.isfinite(row)
        width = usual[known] / np.exp(np.mean(np.log(usual[known])))
        wanted = np.mean((row[known] / width) ** 2)
        assert score == pytest.approx(wanted, rel=1e-4)


def test_a_drift_is_no_anomaly_where_values_are_centred():
    model = model_of(anomaly(centred=True))
    layer = model.get_layer("next_wave_rebuilt")
    layer.set_weights([np.zeros(w.shape) for w in layer.get_weights()])
    x = DRAW.normal(size=(5, SIZE, SIZE)).astype("float32")
    x[2, 1:3, 0] = np.nan
    found = model.predict({"wave": x}, verbose=0)["next"][:, 0]
    wanted = np.nanmean(
        (x - np.nanmean(x, axis=1, keepdims=True)) ** 2, axis=(1, 2)
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
    drift = model.predict({"wave": x + np.arange(SIZE) / 2}, verbose=0)["next"]
    np.testing.assert_allclose(drift[:, 0], found, rtol=1e-4)


def test_a_drift_is_that_of_what_is_given():
    standardised = keras.saving.get_registered_object("mmkeras>Standardised")
    layer = standardised([1.0], [2.0], centred=True)
    x = np.array([[[3.0], [np.nan], [5.0]]])
    about = np.array([[[1.0], [3.0]]])
    found = np.asarray(layer(x, about))[0, :, 0]
    np.testing.assert_allclose(found, [0.5, 0, 1.5])


def test_with_a_spread_the_loss_is_a_logarithm():
    loss = anomaly(spread=True).loss()
    scores = np.array([[1.0], [np.e], [99.0]])
    assert float(loss(np.array([0, -1, 2]), scores)) == pytest.approx(0.5)


def test_abnormal_samples_are_no_part_of_the_loss():
    loss = heads.Anomaly().loss()
    scores = np.array([[1.0], [3.0], [99.0]])
    assert float(loss(np.array([0, -1, 2]), scores)) == pytest.approx(2)
    assert float(loss(np.array([1, 1, 1]), scores)) == 0


def test_the_threshold_leaves_the_wanted_share_of_false_alarms():
    head = anomaly(false_alarms=0.1)
    model = model_of(head)
    x = DRAW.normal(size=(500, SIZE, SIZE)).astype("float32")
    labels = np.r_[np.zeros(300), -np.ones(100), np.ones(100)]
    x[400:] *= 5
    batch = {"wave": x}, {"next": labels}, {"next": np.ones(500)}
    told = head.settle(model, "next", lambda: [batch])
    found = model.predict(batch[0], verbose=0)["next"][:, 0]
    assert (found[:400] > 1).mean() == pytest.approx(0.1, abs=0.01)
    assert (found[400:] > 1).mean() > 0.9
    assert told["samples"] == 400
    assert told == head.settle(model, "next", lambda: [batch])


def test_large_inputs_and_ids_are_judged_by_features():
    model = model_of(anomaly(scales={}))
    x = DRAW.normal(size=(3, SIZE, SIZE)).astype("float32")
    assert np.isfinite(model.predict({"wave": x}, verbose=0)["next"]).all()
    assert model.get_layer("next_wave_rebuilt").units == 3


@pytest.mark.parametrize(
    "changes", [{"rebuild": "pixels"}, {"code": 0}, {"units": 2.5}]
)
def test_a_wrong_option_is_named(changes):
    with pytest.raises(ValueError, match=f"`{next(iter(changes))}` must be"):
        anomaly(**changes)


@pytest.mark.parametrize("head", [forecast(), anomaly()])
def test_a_late_fusion_is_refused(head):
    with pytest.raises(ValueError, match="choose another fusion"):
        head.finish(None, "next")
