"""Models of pretraining: what they take, change, refuse and leave alone."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
import zoo
from keras import ops
from pretext_toys import compiled, over, wave_tower, waves, weights_of

from mmkeras.checks import random_input
from mmkeras.training.pretext import (
    OBJECTIVES,
    Unlabelled,
    kind_of,
    pretext_model,
)

REBUILT = ("contrastive", "masked", "autoencode")
# One of each kind, causal ones first; and odd ones.
ALL_FOUR = ("audio-lstm-one-way", "series-gru-one-way", "text-gru-one-way")
THREE = ("image-cnn", "vector-categories", "video-cnn3d", "volume-cnn")
ODD = ("audio-wavenet-samples", "image-vit", "text-transformer-phrases")
CASES = [(t, o) for t in ALL_FOUR for o in OBJECTIVES.parts]
CASES += [(t, o) for t in THREE for o in REBUILT]
CASES += [(t, "masked") for t in ODD]


def batch_for(tower, samples=6):
    like, kind = tower.inputs[0], kind_of(tower)
    x = random_input(like, samples, np.random.default_rng(0))
    if kind in ("series", "vector"):
        x[::2, 1] = np.nan
    if kind == "text":
        # The last is empty.
        x[::2, 5:] = 0
        x[-1] = 0
    return {like.name: x}


def step(tower, objective, **options):
    """Trains one step; returns the loss and the weights before and after."""
    keras.utils.set_random_seed(0)
    name = tower.inputs[0].name
    whole = over(tower, name)
    model = compiled(pretext_model(whole, name, objective, **options))
    before = weights_of(whole)
    loss = model.train_on_batch(batch_for(tower), {})
    return float(loss), before, weights_of(whole)


def check_step(tower, objective):
    assert kind_of(tower) == tower.inputs[0].name
    loss, before, after = step(tower, objective)
    assert np.isfinite(loss)
    assert loss > 0
    learns = {w.path for w in tower.trainable_weights}
    changed = {p for p in before if not np.array_equal(before[p], after[p])}
    assert learns <= changed
    rest = {p for p in before if p.split("/")[0] in ("fusion", "label")}
    assert len(rest) == 4
    assert not rest & changed


@pytest.mark.parametrize(("name", "objective"), CASES)
def test_a_step_reaches_each_weight_of_the_tower_alone(name, objective):
    check_step(zoo.TOWERS[name](), objective)


@pytest.fixture
def half_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize(
    ("name", "objective"),
    [
        ("vector-categories", "masked"),
        ("series-gru-one-way", "next_step"),
        ("text-gru-one-way", "masked"),
        ("image-cnn", "contrastive"),
    ],
)
@pytest.mark.usefixtures("half_precision")
def test_losses_stay_exact_in_mixed_precision(name, objective):
    tower = zoo.TOWERS[name]()
    assert tower.output["vector"].dtype == "bfloat16"
    model = pretext_model(
        over(tower, tower.inputs[0].name), tower.inputs[0].name, objective
    )
    assert {y.dtype for y in model.outputs} == {"float32"}
    assert np.isfinite(step(tower, objective)[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(zoo.TOWERS) - zoo.UNTRAINED))
def test_every_tower_takes_every_objective(name):
    for objective in REBUILT:
        check_step(zoo.TOWERS[name](), objective)


@pytest.mark.parametrize(
    "name", ["vector-ft-transformer", "vector-pca", "audio-cnn", "video-gru"]
)
def test_the_kind_is_told_by_the_shapes(name):
    assert kind_of(zoo.TOWERS[name]()) == name.split("-")[0]


@pytest.mark.parametrize("variant", ["tcn", "resnet", "patch_transformer"])
def test_a_tower_that_looks_ahead_predicts_no_next_step(variant):
    tower = zoo.series(variant=variant, depth=1)
    if variant == "tcn":
        assert pretext_model(over(tower, "series"), "series", "next_step")
        return
    with pytest.raises(ValueError, match="a causal tower, such as a GRU"):
        pretext_model(over(tower, "series"), "series", "next_step")


def test_words_seen_with_their_neighbours_look_ahead():
    tower = zoo.text(variant="gru", bidirectional=False, phrase=3)
    with pytest.raises(ValueError, match="tokens depend on what comes after"):
        pretext_model(over(tower, "text"), "text", "next_step")


@pytest.mark.parametrize(
    ("objective", "options", "message"),
    [
        ("guess", {}, "contrastive, masked, autoencode, next_step"),
        ("masked", {"kind": "smell"}, "`kind` must be one of audio, image"),
        ("next_step", {"kind": "image"}, "Choices: contrastive, masked, auto"),
        (
            "masked",
            {"ratio": 0.5},
            "`ratio` is not .*Choices: blocks, fraction",
        ),
        (
            "contrastive",
            {"views": {"flip": True}},
            "`views.flip` is not.*noise, scale",
        ),
        (
            "masked",
            {"fraction": 0},
            "`fraction` must be a number above 0, at most 1",
        ),
        ("masked", {"width": 8.0}, "`width` must be a positive integer"),
        (
            "contrastive",
            {"temperature": 0},
            "`temperature` must be a positive number",
        ),
        ("autoencode", {"hidden": 1}, "a number from 0, below 1"),
        ("next_step", {"ahead": 12}, "from 1 to 11"),
        ("next_step", {"ahead": True}, "`ahead` must be a positive integer"),
    ],
)
def test_what_does_not_fit_is_refused(objective, options, message):
    whole = over(wave_tower(padding="causal"))
    with pytest.raises(ValueError, match=message):
        pretext_model(whole, "s", objective, **options)


def test_one_token_for_a_whole_text_is_refused():
    ids = keras.Input((6,), dtype="int32", name="text")
    vector = keras.layers.Embedding(20, 4)(ids)[:, 0]
    outputs = {
        "vector": vector,
        "tokens": ops.expand_dims(vector, 1),
        "mask": ops.ones_like(vector[:, :1]),
    }
    tower = keras.Model(ids, outputs, name="text_tower")
    for objective in ("masked", "next_step"):
        with pytest.raises(ValueError, match="a token for each part"):
            pretext_model(over(tower, "text"), "text", objective)


def test_a_tower_of_one_token_says_all_by_its_vector():
    x = keras.Input((24, 2), name="s")
    vector = keras.layers.Dense(8)(keras.layers.Flatten()(x))
    outputs = {
        "vector": vector,
        "tokens": ops.expand_dims(vector, 1),
        "mask": ops.ones_like(vector[:, :1]),
    }
    tower = keras.Model(x, outputs, name="s_tower")
    model = pretext_model(over(tower), "s", "masked", fraction=0.5, blocks=4)
    found = model({"s": waves(200, 0)[0]})
    places = ops.convert_to_numpy(found["places"])
    assert set(places.tolist()) == {0, 12, 24, 36, 48}
    assert places.mean() == pytest.approx(24, abs=2)


def test_the_spec_says_the_kind():
    spec = SimpleNamespace(modalities={"s": SimpleNamespace(kind="image")})
    with pytest.raises(ValueError, match="'image'. Received: 'next_step'"):
        pretext_model(over(wave_tower()), "s", "next_step", spec)


def trained(objective, seed=0, fill=0.0):
    """One step on a batch of which every third sample is absent."""
    keras.utils.set_random_seed(seed)
    whole = over(wave_tower(padding="causal"))
    model = compiled(pretext_model(whole, "s", objective))
    x, _ = waves(9, 0)
    here = np.ones(9, "float32")
    here[::3] = 0
    x[::3] = fill
    loss = float(model.train_on_batch({"s": x}, {}, here))
    return loss, weights_of(model)


@pytest.mark.parametrize("objective", OBJECTIVES.parts)
def test_the_seed_gives_the_same_bits_whatever_is_in_place_of_the_absent(
    objective,
):
    loss, weights = trained(objective, seed=3)
    again, others = trained(objective, seed=3, fill=7.0)
    assert loss == again
    for one, other in zip(weights.values(), others.values(), strict=True):
        assert np.array_equal(one, other)
    different, _ = trained(objective, seed=4)
    assert different != loss


@pytest.mark.parametrize("objective", ["contrastive", "masked"])
def test_what_is_drawn_next_is_among_the_variables(objective, tmp_path):
    x = {"s": waves(5, 0)[0]}
    keras.utils.set_random_seed(0)
    model = pretext_model(over(wave_tower()), "s", objective)
    model(x)
    kept = [ops.convert_to_numpy(v) for v in model.variables]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is type(model)
    for variable, value in zip(loaded.variables, kept, strict=True):
        variable.assign(value)
    first, second = model(x), model(x)
    for key, value in loaded(x).items():
        assert np.array_equal(value, first[key])
        assert not np.array_equal(value, second[key])


def whole_data(samples=10):
    x, labels = waves(samples, 0)
    present = np.ones((samples, 2), "float32")
    present[::2, 1] = 0
    y = {"label": labels.astype("int32")}
    return {"s": x, "present": present}, y, {"label": np.zeros(samples)}


def dataset():
    return tf.data.Dataset.from_tensor_slices(whole_data()).batch(5)


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return keras.tree.map_structure(
            lambda a: a[5 * index : 5 * index + 5], whole_data()
        )


@pytest.mark.parametrize("make", [dataset, Batches])
@pytest.mark.parametrize("column", [None, 1])
def test_unlabelled_data_are_one_modality(make, column):
    data = SimpleNamespace(train=make(), validation=None)
    found = Unlabelled(data, "s", column)
    assert found.validation is None
    model = compiled(pretext_model(over(wave_tower()), "s", "autoencode"))
    batches = list(found.train) if make is dataset else [found.train[0]]
    x, y, *weights = batches[0]
    assert set(x) == {"s"}
    assert y == {}
    # Labels count for nothing here, nor does their weight of 0.
    wanted = [] if column is None else [[0, 1, 0, 1, 0]]
    assert [np.asarray(w).tolist() for w in weights] == wanted
    history = model.fit(found.train, validation_data=found.train, verbose=0)
    assert history.history["loss"][0] > 0.1
    assert history.history["val_loss"][0] > 0.1


def test_samples_without_a_label_teach_too():
    data = SimpleNamespace(
        train=dataset().take(1),
        validation=dataset().take(1),
        everything=SimpleNamespace(train=dataset()),
    )
    found = Unlabelled(data, "s", None)
    assert len(found.train) == 2
    assert len(found.validation) == 1


def test_a_list_is_no_data_set():
    data = SimpleNamespace(train=[whole_data()], validation=None)
    with pytest.raises(ValueError, match="Received: list"):
        Unlabelled(data, "s", None)
