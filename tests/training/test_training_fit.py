"""Plain `model.compile` and `model.fit`, without any strategy."""

import numpy as np
import tensorflow as tf
from training_toys import HEADS, SAMPLES, toy_arrays, toy_data, toy_model

from mmkeras.heads import loss_weights, losses, metrics


def compiled():
    model = toy_model()
    model.compile(
        optimizer="adam",
        loss=losses(HEADS),
        loss_weights=loss_weights(HEADS),
        weighted_metrics=metrics(HEADS),
    )
    return model


def test_missing_labels_count_for_nothing_in_loss_and_metrics():
    """Against NumPy: the sum over labelled samples by the batch size."""
    x, y, w = toy_arrays()
    model = compiled()
    batch = tf.data.Dataset.from_tensor_slices((x, y, w)).batch(SAMPLES)
    got = model.evaluate(batch, return_dict=True, verbose=0)
    output = {k: np.asarray(v) for k, v in model(x, training=False).items()}

    chosen = output["digit"][np.arange(SAMPLES), y["digit"]]
    digit = np.sum(-np.log(chosen) * w["digit"]) / SAMPLES
    error = (y["size"] - output["size"][:, 0]) / 2.0
    size = np.sum(error**2 * w["size"]) / SAMPLES
    right = (output["digit"].argmax(axis=1) == y["digit"]) * w["digit"]
    np.testing.assert_allclose(got["digit_loss"], digit, rtol=1e-5)
    np.testing.assert_allclose(got["size_loss"], size, rtol=1e-5)
    np.testing.assert_allclose(got["loss"], digit + 0.5 * size, rtol=1e-5)
    np.testing.assert_allclose(
        got["digit_accuracy"], right.sum() / w["digit"].sum(), rtol=1e-6
    )

    # A wrong label that weighs nothing changes nothing.
    y["digit"] = np.where(w["digit"] == 0, (y["digit"] + 1) % 3, y["digit"])
    batch = tf.data.Dataset.from_tensor_slices((x, y, w)).batch(SAMPLES)
    again = model.evaluate(batch, return_dict=True, verbose=0)
    assert again == got


def test_plain_fit_learns():
    model = compiled()
    data = toy_data()
    history = model.fit(
        data.train,
        validation_data=data.validation,
        epochs=8,
        shuffle=False,
        verbose=0,
    )
    assert history.history["loss"][-1] < history.history["loss"][0]
