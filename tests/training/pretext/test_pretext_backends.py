"""Pretraining under Keras' other backends, each in a process of its own."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
from types import SimpleNamespace
import keras
import numpy as np
import tensorflow as tf
import zoo
from pretext_toys import over, wave_tower, waves, weights_of
from mmkeras.checks import random_input
from mmkeras.training.pretext import OBJECTIVES, Unlabelled, pretext_model

def check(tower, objective):
    name = tower.inputs[0].name
    x = random_input(tower.inputs[0], 8, np.random.default_rng(0))
    present = np.arange(8.0)[:, None] % 2
    whole = {name: x, "present": present}, {"y": present}, {"y": present[:, 0]}
    batches = tf.data.Dataset.from_tensor_slices(whole).batch(8)
    data = SimpleNamespace(train=batches, validation=None)
    model = pretext_model(over(tower, name), name, objective)
    model.compile(keras.optimizers.Adam(1e-3), run_eagerly=EAGER)
    before = weights_of(tower)
    history = model.fit(Unlabelled(data, name, 0).train, verbose=0)
    assert np.isfinite(history.history["loss"]).all(), (name, objective)
    after = weights_of(tower)
    still = [p for p in before if np.array_equal(before[p], after[p])]
    assert not still, (name, objective, still)

EAGER = keras.backend.backend() == "torch"
keras.utils.set_random_seed(0)
for objective in OBJECTIVES.parts:
    check(wave_tower(padding="causal"), objective)
check(zoo.image(filters=4, depth=2), "contrastive")
check(zoo.text(variant="bag"), "masked")
check(zoo.text(variant="bag"), "contrastive")
"""
HERE = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_step_of_each_objective_runs(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed; see `make backends`")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            "PYTHONPATH": os.pathsep.join(map(str, (HERE, HERE.parents[1]))),
        },
        cwd=HERE.parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
