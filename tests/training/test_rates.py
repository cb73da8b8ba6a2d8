"""Weights by name, and a rate and a decay for each of them."""

from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from training_toys import HEADS, toy_data, toy_model

from mmkeras.training import FullFineTune, GroupedAdamW
from mmkeras.training.trainable import (
    fitting,
    matches,
    places,
    rates_by_depth,
    select,
    tower_model,
    tuning_of,
)

RATE, DECAY, BETAS, EPSILON = 0.01, 0.1, (0.9, 0.999), 1e-7


@pytest.fixture(scope="module")
def model():
    return toy_model()


@pytest.mark.parametrize(
    "path, pattern, expected",
    [
        ("audio_tower/stem/kernel", "audio_tower/*", True),
        ("audio_tower/stem/kernel", "audio_tower", True),
        ("audio_tower/stem/kernel", "*/stem", True),
        ("audio_tower/stem/kernel", "*/kernel", True),
        ("audio_tower/stem_2/kernel", "*/stem", False),
        ("audio_tower/stem/kernel", "tower/*", False),
        ("audio_tower/stem/kernel", "*/s?em/*", True),
        ("audio_tower/stem/Kernel", "*/kernel", False),
    ],
)
def test_a_pattern_means_a_weight_or_a_layer_around_it(path, pattern, expected):
    assert matches(path, pattern) is expected


def test_places_name_the_tower_that_keras_leaves_out(model):
    paths = [place.path for place in places(model)]
    assert paths[0] == f"sound_tower/{places(model)[0].weight.path}"
    assert len(paths) == len(set(paths)) == len(model.weights)
    assert "fusion/dense/kernel" in paths


def test_a_pattern_that_means_nothing_names_near_paths(model):
    with pytest.raises(ValueError, match="`freeze`.*Near: sound_tower"):
        select(places(model), ["sound_towr/*"], "freeze")
    with pytest.raises(ValueError, match="begin with: sound_tower, view_tower"):
        select(places(model), ["*", "%%%"], "freeze")


def weights(*values):
    return [keras.Variable(np.array(v, "float32"), name="w") for v in values]


def numpy_steps(value, gradients, rate, decay, first=1):
    """AdamW of one weight; `first` is the number of its first step."""
    value, m, v = np.array(value, "float64"), 0.0, 0.0
    for step, g in enumerate(gradients, start=first):
        value = value - value * decay * rate
        m = BETAS[0] * m + (1 - BETAS[0]) * g
        v = BETAS[1] * v + (1 - BETAS[1]) * g**2
        fair = np.sqrt(1 - BETAS[1] ** step) / (1 - BETAS[0] ** step)
        value = value - rate * fair * m / (np.sqrt(v) + EPSILON)
    return value


def test_rates_and_decays_against_numpy():
    start = [[1.0, -2.0], [3.0, 4.0], [0.5, 0.5]]
    rates, decays = [1.0, 0.1, 2.0], [DECAY, 0.0, 0.5]
    gradients = np.random.default_rng(0).normal(size=(7, 3, 2))
    given = weights(*start)
    optimizer = GroupedAdamW(RATE, weight_decay=0.9, rates=rates, decays=decays)
    optimizer.build(given)
    for each in gradients.astype("float32"):
        optimizer.apply(list(each), given)
    for place in range(3):
        expected = numpy_steps(
            start[place],
            gradients[:, place],
            RATE * rates[place],
            decays[place],
        )
        np.testing.assert_allclose(given[place], expected, rtol=2e-6)


def test_all_rates_one_are_adamw_bit_for_bit():
    """Clipped, averaged over batches, with a schedule and its exceptions."""
    random = np.random.default_rng(1)
    start = [random.normal(size=shape) for shape in [(3, 4), (4,), (2, 2)]]
    gradients = [[random.normal(size=v.shape) for v in start] for _ in range(9)]
    found = []
    for kind in (keras.optimizers.AdamW, GroupedAdamW):
        given = weights(*start)
        optimizer = kind(
            keras.optimizers.schedules.CosineDecay(0.01, 12),
            weight_decay=0.1,
            global_clipnorm=0.5,
            gradient_accumulation_steps=2,
            **({"rates": [1.0] * 3} if kind is GroupedAdamW else {}),
        )
        optimizer.exclude_from_weight_decay(var_list=[given[1]])
        optimizer.build(given)
        for each in gradients:
            optimizer.apply([np.float32(g) for g in each], given)
        found.append([np.asarray(variable) for variable in given])
    for plain, grouped, value in zip(*found, start, strict=True):
        np.testing.assert_array_equal(plain, grouped)
        assert np.abs(plain - value).max() > 1e-2


def test_a_weight_that_begins_late_steps_as_one_that_begins():
    """After 20 steps of the others, Keras' first step is 3.2 rates long."""
    gradients = np.full((24, 1), 0.3, "float32")
    early, late = weights([1.0], [1.0])
    optimizer = GroupedAdamW(RATE, weight_decay=0.0, late=[1])
    optimizer.build([early, late])
    for step, gradient in enumerate(gradients):
        known = [early, late][: 1 + (step >= 20)]
        optimizer.apply([gradient] * len(known), known)
        if step == 20:
            assert float(late[0]) == pytest.approx(1.0 - RATE, abs=1e-6)
    expected = numpy_steps([1.0], gradients[20:], RATE, 0.0)
    np.testing.assert_allclose(late, expected, rtol=5e-6)
    expected = numpy_steps([1.0], gradients, RATE, 0.0)
    np.testing.assert_allclose(early, expected, rtol=5e-6)


def test_the_average_of_a_weight_at_rest_is_that_weight():
    value = np.random.default_rng(0).normal(size=100).astype("float32")
    moving, frozen = weights(value, value)
    optimizer = GroupedAdamW(RATE, use_ema=True, ema_momentum=0.9, late=[1])
    optimizer.build([moving, frozen])
    for _ in range(5):
        optimizer.apply([np.ones(100, "float32")], [moving])
    averages = optimizer._model_variables_moving_average
    np.testing.assert_array_equal(averages[1], value)
    assert np.abs(np.asarray(averages[0]) - value).min() > RATE


def test_it_is_saved_and_loaded_with_its_state(tmp_path):
    model = toy_model()
    count = len(model.trainable_variables)
    optimizer = GroupedAdamW(
        RATE, rates=[0.5] * count, decays=[0.1] * count, late=[2]
    )
    model.compile(
        optimizer=optimizer,
        loss={name: head.loss() for name, head in HEADS.items()},
    )
    model.fit(toy_data().train, epochs=1, shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras").optimizer
    assert loaded.get_config() == optimizer.get_config()
    assert int(loaded._updates[0]) == 2
    for new, old in zip(loaded.variables, optimizer.variables, strict=True):
        np.testing.assert_array_equal(new, old)


def test_rates_of_other_weights_are_not_taken():
    optimizer = GroupedAdamW(RATE, rates=[0.1, 0.2], weight_decay=0.0)
    given = weights([1.0])
    with pytest.warns(UserWarning, match="for 2 weights, and is built with 1"):
        optimizer.build(given)
    optimizer.apply([np.ones(1, "float32")], given)
    assert float(given[0][0]) == pytest.approx(1.0 - RATE, abs=1e-6)


def test_layers_of_a_tower_are_counted_from_its_input():
    """A normalization has its layer's number; a model inside counts through."""
    inner = keras.Sequential(
        [
            keras.Input((4, 4, 2)),
            keras.layers.Conv2D(3, 1, name="b"),
            keras.layers.BatchNormalization(name="b_norm"),
        ]
    )
    x = keras.Input((4, 4, 1))
    y = keras.layers.BatchNormalization(name="first_norm")(x)
    y = keras.layers.Conv2D(2, 1, name="a")(y)
    y = keras.layers.ReLU()(inner(y))
    y = keras.layers.Dense(2, name="c")(y)
    tower = keras.Model(x, y)
    rates = rates_by_depth(tower, 0.5)
    found = {p.path: rates[id(p.weight)] for p in places(tower)}
    prefix = inner.name
    assert {p: rate for p, rate in found.items() if "kernel" in p} == {
        "a/kernel": 0.125,
        f"{prefix}/b/kernel": 0.25,
        "c/kernel": 0.5,
    }
    assert found["first_norm/gamma"] == 0.125
    assert found[f"{prefix}/b_norm/moving_mean"] == 0.25
    assert found["c/bias"] == 0.5


def settings(**changed):
    plain = {
        "freeze": (),
        "unfreeze": None,
        "learning_rates": None,
        "layer_decay": 1.0,
        "weight_decay_groups": None,
    }
    return SimpleNamespace(**{**plain, **changed})


def test_patterns_and_depth_multiply_and_the_last_pattern_counts(model):
    tuning = tuning_of(
        settings(
            layer_decay=0.5,
            learning_rates={"*": 4.0, "sound_tower/*": 0.2, "fusion": 3.0},
            weight_decay_groups={"view_tower": 0.3},
        ),
        model,
    )
    found = {p.path: p for p in places(model)}
    rate = {path: tuning.rates[id(p.weight)] for path, p in found.items()}
    sound = next(path for path in found if path.startswith("sound_tower/"))
    view = next(path for path in found if path.startswith("view_tower/"))
    assert rate[sound] == pytest.approx(0.1)
    assert rate[view] == pytest.approx(2.0)
    assert rate["fusion/dense/kernel"] == 3.0
    assert rate["digit_logits/kernel"] == 4.0

    with tuning.applied(model) as applied:
        arguments = applied.optimizer_arguments(0.01)
    decays = dict(
        zip([id(w) for w in applied.learning], arguments["decays"], strict=True)
    )
    assert decays[id(found[view].weight)] == 0.3
    assert decays[id(found[view.replace("kernel", "bias")].weight)] == 0.0
    assert decays[id(found[sound].weight)] == 0.01
    assert decays[id(found["fusion/sound_standin"].weight)] == 0.0


def test_without_patterns_keras_own_adamw_serves(model):
    tuning = tuning_of(settings(freeze=["sound_tower/*"]), model)
    with tuning.applied(model) as applied:
        assert applied.optimizer_arguments(0.01) == {}


def test_a_strategy_gives_a_tower_its_rate(eagerly):
    """A hundredth of the rate moves it by a hundredth, Adam being Adam."""
    model = toy_model()
    start = {p.path: np.array(p.weight) for p in places(model)}
    strategy = FullFineTune(
        epochs=1, learning_rates={"sound_tower": 0.01}, warmup_epochs=0
    )
    strategy.fit(model, toy_data(), HEADS, verbose=0)
    moved = {
        p.path: np.abs(np.array(p.weight) - start[p.path]).max()
        for p in places(model)
        if "/dense" in p.path
    }
    for path, distance in moved.items():
        slow = path.startswith("sound_tower/")
        expected = 2e-5 if slow else 2e-3
        assert distance == pytest.approx(expected, rel=0.5), path


def test_a_strategy_fits_a_model_of_one_tower():
    """What a baseline of one modality leaves out, and what it keeps."""
    whole = FullFineTune(
        epochs=7,
        freeze=["sound_tower/*", "*/batch_normalization*"],
        unfreeze={"2": ["sound_tower"], 3: ["*/dense*", "fusion"]},
        learning_rates={"view_tower": 0.5, "fusion": 0.1},
        weight_decay_groups={"sound_tower": 0.5},
        lora_rank=2,
        lora_patterns=["sound_tower/*"],
        blend=True,
    )
    alone = fitting(whole, tower_model(toy_model(), "view", HEADS))
    assert alone == replace(
        whole,
        freeze=["*/batch_normalization*"],
        unfreeze={3: ["*/dense*"]},
        learning_rates={"view_tower": 0.5},
        weight_decay_groups={},
        lora_rank=None,
        blend=False,
    )
    kept = fitting(replace(whole, lora_patterns=None), toy_model())
    assert kept.lora_rank == 2
    assert kept.lora_patterns == ["sound_tower/*", "view_tower/*"]
    assert kept.blend is True
