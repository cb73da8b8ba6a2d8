"""A small tower over series of two channels, and waves to feed it."""

import keras
import numpy as np
from keras import layers, ops

STEPS, CHANNELS, TOKENS = 24, 2, 12
FREQUENCIES = (0.06, 0.11, 0.16, 0.21)


def wave_tower(name="s", width=16, padding="same"):
    """Each token owns two steps; with padding "causal" it looks back only."""
    x = keras.Input((STEPS, CHANNELS), name=name)
    y = layers.Conv1D(width, 2, 2, activation="relu", name="patch")(x)
    y = layers.Conv1D(width, 5, padding=padding, activation="relu")(y)
    tokens = layers.Dense(width, name="tokens")(y)
    outputs = {
        "vector": layers.GlobalAveragePooling1D(name="mean")(tokens),
        "tokens": tokens,
        "mask": ops.ones_like(tokens[:, :, 0]),
    }
    return keras.Model(x, outputs, name=f"{name}_tower")


def over(tower, name="s"):
    """A whole model: the tower, a fusion of one, and a head."""
    like = tower.inputs[0]
    x = keras.Input(like.shape[1:], dtype=like.dtype, name=name)
    fused = layers.Dense(4, name="fusion")(tower(x)["vector"])
    head = layers.Dense(4, "softmax", name="label")(fused)
    return keras.Model({name: x}, {"label": head})


def waves(samples, seed):
    """Noisy waves of random phase, and which of four frequencies each has."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, len(FREQUENCIES), samples)
    turn = np.array(FREQUENCIES)[labels][:, None, None]
    turn = 2 * np.pi * turn * np.arange(STEPS)[:, None]
    phase = draw.uniform(0, 2 * np.pi, (samples, 1, CHANNELS))
    size = draw.uniform(0.5, 1.5, (samples, 1, 1))
    noise = 0.6 * draw.normal(size=(samples, STEPS, CHANNELS))
    return (size * np.sin(turn + phase) + noise).astype("float32"), labels


def compiled(model, rate=5e-3):
    model.compile(keras.optimizers.Adam(rate), run_eagerly=True)
    return model


def weights_of(model):
    return {w.path: ops.convert_to_numpy(w) for w in model.weights}
