"""Trainings of toys that are stopped anywhere, and go on to the same bits."""

import contextlib
import functools
import signal
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))

from training_toys import (  # noqa: E402
    HEADS,
    SAMPLES,
    running_eagerly,
    toy_arrays,
    toy_data,
    toy_model,
)

from mmkeras.training import (  # noqa: E402
    ComponentPretrain,
    FullFineTune,
    precision_scope,
)

BATCH = 4
STEPS = SAMPLES // BATCH
KEPT = {"tensorboard": False, "checkpoint_share": 1.0}
COMPONENT = {"tower_epochs": 1, "fusion_epochs": 2, "epochs": 1, **KEPT}
FULL = {"epochs": 3, "learning_rate": 0.01, **KEPT}
STRATEGIES = {
    "full": FullFineTune(**FULL),
    "averaged": FullFineTune(ema_momentum=0.9, **FULL),
    "patient": FullFineTune(patience=2, **FULL),
    "uncertainty": FullFineTune(balance="uncertainty", **FULL),
    "dwa": FullFineTune(balance="dwa", **FULL),
    "gradnorm": FullFineTune(balance="gradnorm", **FULL),
    "float16": FullFineTune(precision="mixed_float16", **FULL),
    "bfloat16": FullFineTune(precision="mixed_bfloat16", **FULL),
    "lora": FullFineTune(lora_rank=2, **FULL),
    "unfreezing": FullFineTune(unfreeze={2: ["sound_tower/*"]}, **FULL),
    "accumulating": FullFineTune(accumulate_steps=4, **FULL),
    "blending": FullFineTune(blend=True, blend_epochs=1, **FULL),
    "steps": FullFineTune(budget_steps=21, **FULL),
    "component": ComponentPretrain(**COMPONENT),
    "component float16": ComponentPretrain(
        precision="mixed_float16", **COMPONENT
    ),
    "pretext": ComponentPretrain(
        pretrain={
            "sound": {"objective": "autoencode"},
            "view": {"objective": "contrastive"},
        },
        align="infonce",
        align_epochs=1,
        **COMPONENT,
    ),
    "batches": FullFineTune(**FULL),
}


class Batches(keras.utils.PyDataset):
    """Toy data that Keras has to shuffle."""

    def __init__(self):
        super().__init__()
        samples = tf.data.Dataset.from_tensor_slices(toy_arrays())
        self.parts = list(samples.batch(BATCH).as_numpy_iterator())

    def __len__(self):
        return len(self.parts)

    def __getitem__(self, index):
        return self.parts[index]


def data_of(name):
    samples = tf.data.Dataset.from_tensor_slices(toy_arrays())
    train = samples.shuffle(SAMPLES, seed=5).batch(BATCH)
    if name == "batches":
        train = Batches()
    return toy_data(train=train, validation=samples.batch(BATCH))


@dataclass(frozen=True)
class Moment:
    """When a signal comes: after so many batches of training or validation."""

    phase: str
    batches: int


@dataclass
class Stop(keras.callbacks.Callback):
    """Sends a signal at a moment, and counts the steps of the training."""

    moment: Moment | None
    how: object = None
    seen: dict = field(default_factory=lambda: {"train": 0, "test": 0})

    def __post_init__(self):
        super().__init__()

    def on_train_batch_end(self, batch, logs=None):
        self._count("train")

    def on_test_batch_end(self, batch, logs=None):
        self._count("test")

    def _count(self, phase):
        self.seen[phase] += 1
        if self.moment == Moment(phase, self.seen[phase]):
            (self.how or (lambda: signal.raise_signal(signal.SIGINT)))()


def fit(name, out, stop, **changed):
    """Trains a toy; returns its weights, and its history but for the time."""
    strategy = replace(STRATEGIES[name], **changed)
    # A loss that asks for its own gradient does so in a graph alone.
    in_graphs = strategy.balance == "gradnorm"
    with (
        contextlib.nullcontext() if in_graphs else running_eagerly(),
        precision_scope(strategy.precision),
    ):
        model = toy_model(seed=1, dropout=0.3)
        history = strategy.fit(
            model, data_of(name), HEADS, out=out, callbacks=[stop],
            verbose=0, resume=True,
        ).history  # fmt: skip
    return model.get_weights(), {
        k: v for k, v in history.items() if k not in ("seconds",)
    }


@functools.cache
def whole(name):
    """The same without an interruption, and its steps."""
    stop = Stop(None)
    return *fit(name, None, stop), stop.seen


def assert_same(name, found):
    weights, history, _ = whole(name)
    assert list(found[1]) == list(history)
    for key, values in history.items():
        np.testing.assert_array_equal(found[1][key], values, key)
    for one, other in zip(weights, found[0], strict=True):
        np.testing.assert_array_equal(one, other)
