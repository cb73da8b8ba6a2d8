"""Multiply-adds of training: what learns, what rests, what is cached."""

import keras
import numpy as np
import pytest

from mmkeras.studies.compare import Cost, parts_of, sample_cost
from mmkeras.training import fusion_model
from mmkeras.training.embeddings import frozen_model
from mmkeras.training.trainable import modalities, tower_model, tower_of

# Multiply-adds: a tower 3 * 4 each, fusion 8 * 5, head 5 * 2.
TOWER, REST = 12, 50


def tower(name):
    x = keras.Input((3,), name=name)
    vector = keras.layers.Dense(4)(x)
    tokens = keras.layers.Reshape((1, 4))(vector)
    mask = keras.ops.ones_like(vector[:, :1])
    outputs = {"vector": vector, "tokens": tokens, "mask": mask}
    return keras.Model(x, outputs, name=f"{name}_tower")


@pytest.fixture
def whole():
    inputs = {name: keras.Input((3,), name=name) for name in ("a", "b")}
    said = [tower(name)(x)["vector"] for name, x in inputs.items()]
    fused = keras.layers.Dense(5)(keras.layers.Concatenate()(said))
    y = keras.layers.Dense(2, activation="softmax", name="y")(fused)
    return keras.Model(inputs, {"y": y})


class Head:
    """A head of 4 * 2 multiply-adds."""

    def __call__(self, vector, name, towers):
        return keras.layers.Dense(2, name=name)(vector)


def test_parts_add_up_to_the_model(whole):
    parts = parts_of(whole)
    assert {name: cost for name, (cost, _) in parts.items()} == {
        "a": TOWER,
        "b": TOWER,
        "": REST,
    }


def test_what_learns_counts_three_times(whole):
    assert sample_cost(whole, parts_of(whole)) == 3 * (2 * TOWER + REST)


def test_a_frozen_tower_counts_once(whole):
    for name in modalities(whole):
        tower_of(whole, name).trainable = False
    parts = parts_of(whole)
    assert sample_cost(whole, parts) == 2 * TOWER + 3 * REST
    assert sample_cost(frozen_model(whole), parts) == 2 * TOWER + 3 * REST


def test_a_cached_tower_counts_nothing(whole):
    assert sample_cost(fusion_model(whole), parts_of(whole)) == 3 * REST


def test_a_tower_alone_counts_with_its_own_head(whole):
    alone = tower_model(whole, "a", {"y": Head()})
    assert sample_cost(alone, parts_of(whole)) == 3 * (TOWER + 4 * 2)


def fitted(model, cost):
    model.compile("sgd", loss={"y": "sparse_categorical_crossentropy"})
    x = {n: np.zeros((8, *i.shape[1:])) for n, i in model.input.items()}
    model.fit(x, {"y": np.zeros(8)}, batch_size=4, verbose=0, callbacks=[cost])


def test_steps_and_the_filling_of_a_cache_are_counted(whole):
    cost = Cost(whole, batch_size=4, cached_samples=100)
    fitted(whole, cost)
    full = 8 * 3 * (2 * TOWER + REST)
    assert cost.total == full
    for name in modalities(whole):
        tower_of(whole, name).trainable = False
    for _ in range(2):
        fitted(fusion_model(whole), cost)
    # The cache is filled once.
    assert cost.total == full + 100 * 2 * TOWER + 2 * 8 * 3 * REST


def test_it_goes_on_counting_where_it_stopped(whole):
    first, second = Cost(whole, 4, 100), Cost(whole, 4, 100)
    fitted(whole, first)
    second.restore(first.state())
    assert second.total == first.total > 0
    assert second.longest_sec == first.longest_sec > 0
