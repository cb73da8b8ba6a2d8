"""A toy model with two optional modalities and two heads, and toy data."""

import contextlib
import warnings
from types import SimpleNamespace

import keras
import numpy as np
import tensorflow as tf

from mmkeras.fusion import Concat
from mmkeras.heads import Category, Number

HEADS = {"digit": Category(3), "size": Number(mean=0.0, std=2.0, weight=0.5)}
SAMPLES = 24
BATCH = 12


def toy_tower(name, size, dropout=0.0):
    x = keras.Input((size,), name=name)
    y = keras.layers.Dense(6, activation="relu")(x)
    y = keras.layers.BatchNormalization()(y)
    if dropout:
        y = keras.layers.Dropout(dropout)(y)
    tokens = keras.layers.Reshape((1, 6))(y)
    mask = keras.ops.ones_like(y[:, :1])
    outputs = {"vector": y, "tokens": tokens, "mask": mask}
    return keras.Model(x, outputs, name=f"{name}_tower")


def toy_model(seed=0, dropout=0.0):
    keras.utils.set_random_seed(seed)
    inputs = {
        "present": keras.Input((2,), name="present"),
        "sound": keras.Input((4,), name="sound"),
        "view": keras.Input((5,), name="view"),
    }
    features = {
        "sound": toy_tower("sound", 4, dropout)(inputs["sound"]),
        "view": toy_tower("view", 5, dropout)(inputs["view"]),
    }
    columns = {
        "sound": inputs["present"][:, 0:1],
        "view": inputs["present"][:, 1:2],
    }
    fused = Concat(8, name="fusion")(features, present=columns)
    outputs = {name: head(fused, name) for name, head in HEADS.items()}
    return keras.Model(inputs, outputs)


def toy_arrays(samples=SAMPLES, seed=0):
    """Labels follow from the inputs; every fourth lacks a digit."""
    draw = np.random.default_rng(seed)
    sound = draw.normal(size=(samples, 4)).astype("float32")
    view = draw.normal(size=(samples, 5)).astype("float32")
    present = np.ones((samples, 2), "float32")
    present[::6, 0] = 0
    present[3::6, 1] = 0
    digit = np.argmax(sound[:, :3] + view[:, :3], axis=1).astype("int32")
    size = (sound[:, 3] + view[:, 3]).astype("float32")
    there = (np.arange(samples) % 4 != 1).astype("float32")
    weights = {"digit": there, "size": np.ones(samples, "float32")}
    x = {"sound": sound, "view": view, "present": present}
    return x, {"digit": digit, "size": size}, weights


def toy_data(samples=SAMPLES, **changed):
    """What `load_data` returns, as far as training needs it."""
    dataset = tf.data.Dataset.from_tensor_slices(toy_arrays(samples)).batch(
        BATCH
    )
    return SimpleNamespace(
        **{"train": dataset, "validation": dataset.take(1), **changed}
    )


@contextlib.contextmanager
def running_eagerly():
    """Builds no graphs of functions within."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        with warnings.catch_warnings():
            # tf.data stays a graph, and says so.
            warnings.filterwarnings("ignore", ".*run_functions_eagerly.*")
            yield
    finally:
        tf.config.run_functions_eagerly(before)


class Batches(keras.utils.PyDataset):
    """The toy data as a PyDataset, which every backend reads."""

    def __len__(self):
        return SAMPLES // BATCH

    def __getitem__(self, index):
        part = slice(index * BATCH, (index + 1) * BATCH)
        return keras.tree.map_structure(lambda a: a[part], toy_arrays())


class Kill(keras.callbacks.Callback):
    """Stops everything at an optimizer step, as a crash would."""

    def __init__(self, step):
        super().__init__()
        self.left = step

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
