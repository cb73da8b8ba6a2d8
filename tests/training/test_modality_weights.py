"""`ModalityWeightsFromValidation`: each modality weighs what it is worth."""

import keras
import numpy as np
import pytest
from training_toys import HEADS, toy_data, toy_tower

from mmkeras.fusion import WeightedAverage
from mmkeras.heads import losses
from mmkeras.training import (
    FullFineTune,
    ModalityWeightsFromValidation,
    fusion_model,
)
from mmkeras.training.stages import (
    modality_weighted_layers,
    modality_weights_of,
)


def weighted_model(seed=0):
    """The toy model with a weighted average for each target."""
    keras.utils.set_random_seed(seed)
    inputs = {
        "present": keras.Input((2,), name="present"),
        "sound": keras.Input((4,), name="sound"),
        "view": keras.Input((5,), name="view"),
    }
    sizes = {"sound": 4, "view": 5}
    features = {n: toy_tower(n, sizes[n])(inputs[n]) for n in sizes}
    columns = {
        "sound": inputs["present"][:, 0:1],
        "view": inputs["present"][:, 1:2],
    }
    outputs = {}
    for target, head in HEADS.items():
        layer = WeightedAverage(
            head.outputs, head.activation, name=f"{target}_weights"
        )
        answer = layer(features, present=columns)
        outputs[target] = head.finish(answer, target)
    return keras.Model(inputs, outputs)


def shares(model, target="digit"):
    layer = model.get_layer(f"{target}_weights")
    return {name: float(share) for name, share in layer.shares.items()}


def loss_alone(model, data, target, name):
    """Loss of one modality's answer, over the samples that have it."""
    column = ["sound", "view"].index(name)
    total = count = 0
    for x, y, weights in data.validation:
        vector = model.get_layer(f"{name}_tower")(x[name])
        layer = model.get_layer(f"{target}_weights")
        answer = layer.alone({name: vector})[name]
        answer = np.asarray(model.get_layer(target)(answer))
        label = np.asarray(y[target])
        if target == "digit":
            each = -np.log(answer[np.arange(len(label)), label])
        else:
            each = ((answer[:, 0] - label) / HEADS["size"].std) ** 2
        weight = weights[target] * x["present"][:, column]
        total += np.sum(each * weight)
        count += np.sum(weight)
    return total / count


def test_a_vote_is_one_over_the_loss_where_the_modality_is_there():
    model, data = weighted_model(), toy_data(samples=60)
    data.validation = data.train
    callback = ModalityWeightsFromValidation(
        model, losses(HEADS), data.validation
    )
    callback.on_test_begin()
    for target in HEADS:
        sound, view = (
            1 / loss_alone(model, data, target, name)
            for name in ("sound", "view")
        )
        got = shares(model, target)
        assert got["sound"] == pytest.approx(sound / (sound + view), rel=1e-4)
        assert got["view"] == pytest.approx(view / (sound + view), rel=1e-4)


def test_a_strategy_sets_the_modality_weights_it_leaves(tmp_path):
    model, data = weighted_model(), toy_data()
    strategy = FullFineTune(
        epochs=2, learning_rate=0.03, ema_momentum=0.5, tensorboard=False
    )
    strategy.fit(model, data, HEADS, out=tmp_path, verbose=0)
    left = shares(model)
    assert left["sound"] != pytest.approx(0.5, abs=1e-3)
    last = keras.saving.load_model(
        tmp_path / "checkpoints" / "epoch-0002" / "model.keras"
    )
    assert shares(last) == left
    ModalityWeightsFromValidation(
        model, losses(HEADS), data.validation
    ).on_test_begin()
    assert shares(model) == pytest.approx(left, rel=1e-5)


def test_a_pydataset_and_no_weights_will_do():
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            return next(iter(toy_data().train))[:2]

    model = weighted_model()
    ModalityWeightsFromValidation(
        model, losses(HEADS), Batches()
    ).on_test_begin()
    assert sum(shares(model).values()) == pytest.approx(1)
    assert shares(model)["sound"] != pytest.approx(0.5, abs=1e-3)


def test_a_modality_that_nobody_has_gets_the_smallest_vote():
    totals = {"a": (1.0, 4.0), "b": (2.0, 4.0), "c": (0.0, 0.0)}
    assert modality_weights_of(totals) == {"a": 4.0, "b": 2.0, "c": 2.0}
    assert modality_weights_of({"c": (0.0, 0.0)}) == {}


def test_a_model_whose_targets_are_answered_otherwise_is_refused():
    x = keras.Input((3,), name="x")
    feature = {"vector": x, "tokens": x, "mask": x}
    voted = WeightedAverage(3, name="voted")({"x": feature})
    hidden = keras.layers.Dense(2)(voted)
    y = keras.layers.Dense(2, name="y")(hidden)
    model = keras.Model({"x": x}, {"y": y})
    with pytest.raises(
        ValueError, match="`model` must have a `WeightedAv.*targets y"
    ):
        ModalityWeightsFromValidation(model, {}, [])


def test_layers_that_two_models_share_are_found_in_both():
    model = weighted_model()
    fused = fusion_model(model)
    for each in (model, fused):
        found = modality_weighted_layers(each)
        assert found == {
            target: model.get_layer(f"{target}_weights") for target in HEADS
        }
