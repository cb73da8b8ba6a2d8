"""Cached embeddings: what is kept, that training is the same, and how fast."""

import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from training_toys import BATCH, HEADS, SAMPLES, toy_arrays, toy_data
from zoo import FUSIONS

from mmkeras import fusion
from mmkeras.fusion import ModalityDropout
from mmkeras.heads import Category, Sequence, losses
from mmkeras.training import (
    ModalityWeightsFromValidation,
    cache_embeddings,
    embedding_model,
    fusion_model,
    open_embeddings,
)
from mmkeras.training.embeddings import (
    frozen_model,
    token_readers,
    towers_sha256,
)
from mmkeras.training.stages import modality_weighted_layers

TOKENS, WIDTH = 3, 6
STEPS = 5


def tower(name, size):
    """A tower with dropout and batch statistics, and tokens of its own."""
    x = keras.Input((size,), name=name)
    y = keras.layers.Dense(TOKENS * WIDTH, activation="relu")(x)
    y = keras.layers.BatchNormalization()(y)
    y = keras.layers.Dropout(0.5)(y)
    tokens = keras.layers.Reshape((TOKENS, WIDTH))(y)
    vector = keras.ops.mean(tokens, axis=1)
    mask = keras.ops.cast(x[:, :TOKENS] > -1, "float32")
    outputs = {"vector": vector, "tokens": tokens, "mask": mask}
    return keras.Model(x, outputs, name=f"{name}_tower")


def model_with(layers, heads, seed=0):
    """The toy model with a fusion for each target, and modality dropout."""
    keras.utils.set_random_seed(seed)
    inputs = {
        "present": keras.Input((2,), name="present"),
        "sound": keras.Input((4,), name="sound"),
        "view": keras.Input((5,), name="view"),
    }
    features = {n: tower(n, inputs[n].shape[-1])(inputs[n]) for n in NAMES}
    kept = ModalityDropout(0.3, name="modality_dropout")(inputs["present"])
    columns = {n: kept[:, i : i + 1] for i, n in enumerate(NAMES)}
    seen = {
        n: {**f, "mask": f["mask"] * columns[n]} for n, f in features.items()
    }
    fused = {
        id(layer): layer(features, present=columns) for layer in layers.values()
    }
    outputs = {}
    for name, head in heads.items():
        answer = fused[id(layers[name])]
        if layers[name].decides:
            outputs[name] = head.finish(answer, name)
        else:
            outputs[name] = head(answer, name, seen)
    return keras.Model(inputs, outputs)


NAMES = ("sound", "view")
STEPWISE = {
    "digit": Category(3),
    "step": Sequence(3, steps=STEPS, modality="view"),
}


def shared(layer):
    return dict.fromkeys(HEADS, layer)


KINDS = {
    "vectors": lambda: (shared(fusion.Gated(8, name="fusion")), HEADS),
    "tokens": lambda: (shared(fusion.MulT(8, name="fusion")), HEADS),
    "late": lambda: (
        {
            "digit": fusion.WeightedAverage(3, name="digit_fusion"),
            "size": fusion.Average(1, "linear", name="size_fusion"),
        },
        HEADS,
    ),
    "sequence": lambda: (
        dict.fromkeys(STEPWISE, fusion.Concat(8, name="fusion")),
        STEPWISE,
    ),
}
READERS = {
    "vectors": set(),
    "tokens": {"sound", "view"},
    "late": set(),
    "sequence": {"view"},
}


def batch_of(kind):
    x, y, weights = toy_arrays()
    if kind == "sequence":
        draw = np.random.default_rng(3)
        shape = (SAMPLES, STEPS)
        y = {"digit": y["digit"], "step": draw.integers(0, 3, shape, "int32")}
        weights = {
            "digit": weights["digit"],
            "step": draw.integers(0, 2, shape).astype("float32"),
        }
    return x, y, weights


def data_of(kind, **changed):
    dataset = tf.data.Dataset.from_tensor_slices(batch_of(kind)).batch(BATCH)
    return SimpleNamespace(train=dataset, validation=dataset, **changed)


@pytest.fixture(scope="module")
def models():
    """A model of each kind, with statistics that are not those of the start."""
    made = {}
    for kind, make in KINDS.items():
        model = model_with(*make())
        for layer in model._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.moving_mean.assign(layer.moving_mean + 0.3)
                layer.moving_variance.assign(layer.moving_variance * 2)
        made[kind] = model
    return made


def gradients(model, heads, batch):
    """The loss and its gradients in training mode, by path."""
    x, y, weights = batch
    model.compile("sgd", loss=losses(heads))
    with tf.GradientTape() as tape:
        found = model(x, training=True)
        loss = model.compute_loss(x, y, found, weights)
    variables = model.trainable_weights
    grads = tape.gradient(loss, [v.value for v in variables])
    return float(loss), {
        v.path: np.asarray(g) for v, g in zip(variables, grads, strict=True)
    }


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_is_read_is_kept(models, kind):
    model = models[kind]
    assert token_readers(model) == READERS[kind]
    said = embedding_model(model).output
    width = WIDTH + TOKENS * (WIDTH + 1)
    for name in NAMES:
        kept = width if name in READERS[kind] else WIDTH
        assert said[name].shape == (None, kept)


@pytest.mark.parametrize("kind", KINDS)
def test_the_cache_gives_the_same_gradients_as_resting_towers(
    models, kind, tmp_path
):
    """With absent modalities, hidden labels and modality dropout."""
    model, heads = models[kind], KINDS[kind]()[1]
    for name in NAMES:
        model.get_layer(f"{name}_tower").trainable = False
    dropout = model.get_layer("modality_dropout").seed_generator.state
    start = np.asarray(dropout)
    cached = cache_embeddings(model, data_of(kind), tmp_path)
    fused, frozen = fusion_model(model), frozen_model(model)
    pairs = zip(cached.validation, data_of(kind).train, strict=True)
    for ours, raw in pairs:
        dropout.assign(start)
        loss, got = gradients(fused, heads, ours)
        assert np.any(np.asarray(dropout) != start)
        dropout.assign(start)
        wanted_loss, wanted = gradients(frozen, heads, raw)
        assert loss == pytest.approx(wanted_loss, abs=1e-6)
        assert set(got) == set(wanted) and len(got) >= 4
        for path, value in wanted.items():
            np.testing.assert_allclose(got[path], value, atol=1e-6)
            # Late fusions have no gradient for what has no vote.
            assert np.abs(value).max() > 0 or path.endswith("_standin")


@pytest.mark.parametrize("kind", KINDS)
def test_learning_from_the_cache_trains_the_whole_model(models, kind, tmp_path):
    """And answers as the whole model does, whose towers stay as they are."""
    model, heads = models[kind], KINDS[kind]()[1]
    before = towers_sha256(model)
    cached = cache_embeddings(model, data_of(kind), tmp_path)
    fused = fusion_model(model)
    # Tracing a graph takes far longer than the training does.
    fused.compile("adam", loss=losses(heads), run_eagerly=True)
    start = model.get_weights()
    fused.fit(cached.train, epochs=1, verbose=0)
    assert towers_sha256(model) == before
    changed = [
        not np.array_equal(a, b)
        for a, b in zip(start, model.get_weights(), strict=True)
    ]
    assert sum(changed) >= 4
    for ours, raw in zip(cached.validation, data_of(kind).train, strict=True):
        got, wanted = fused(ours[0]), model(raw[0])
        for name, value in wanted.items():
            np.testing.assert_allclose(got[name], value, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", FUSIONS)
def test_every_fusion_answers_from_what_it_says_it_reads(name):
    layer = FUSIONS[name]()
    layer.name = "fusion"
    heads = {"digit": HEADS["digit"]}
    model = model_with({"digit": layer}, heads)
    x = toy_arrays()[0]
    said = embedding_model(model).predict_on_batch({n: x[n] for n in NAMES})
    given = {**said, "present": x["present"]}
    np.testing.assert_array_equal(
        fusion_model(model)(given)["digit"], model(x)["digit"]
    )


def test_resting_towers_learn_no_statistics_and_drop_nothing(models):
    model, batch = models["vectors"], batch_of("vectors")
    frozen = frozen_model(model)
    for name in NAMES:
        model.get_layer(f"{name}_tower").trainable = False
    before = towers_sha256(model)
    frozen.compile("adam", loss=losses(HEADS), run_eagerly=True)
    frozen.train_on_batch(*batch)
    assert towers_sha256(model) == before
    said = frozen.get_layer("sound_tower")(batch[0]["sound"], training=True)
    again = model.get_layer("sound_tower")(batch[0]["sound"], training=False)
    np.testing.assert_array_equal(said["vector"], again["vector"])


@pytest.mark.parametrize("make", [fusion_model, frozen_model])
def test_it_saves_and_loads(models, make, tmp_path):
    model = make(models["tokens"])
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    draw = np.random.default_rng(0)
    x = {
        n: draw.normal(size=(2, *i.shape[1:])).astype("float32")
        for n, i in model.input.items()
    }
    for name, value in model(x).items():
        np.testing.assert_allclose(loaded(x)[name], value, atol=1e-6)


def test_modality_weights_are_set_from_the_cache_as_from_raw_inputs(
    models, tmp_path
):
    model, data = models["late"], data_of("late")
    cached = cache_embeddings(model, data, tmp_path)
    shares = []
    for where, given in ((fusion_model(model), cached), (model, data)):
        assert set(modality_weighted_layers(where)) == {"digit"}
        callback = ModalityWeightsFromValidation(
            where, losses(HEADS), given.validation
        )
        callback.on_test_begin()
        layer = model.get_layer("digit_fusion")
        shares.append([float(s) for s in layer.shares.values()])
    np.testing.assert_allclose(*shares, rtol=1e-5)
    assert shares[0][0] != pytest.approx(0.5, abs=1e-3)


class Augmented(keras.utils.PyDataset):
    """Each pass adds its number to the sound."""

    passes = 0

    def __len__(self):
        return SAMPLES // BATCH

    def __getitem__(self, index):
        part = slice(index * BATCH, (index + 1) * BATCH)
        x, y, w = keras.tree.map_structure(lambda a: a[part], toy_arrays())
        return {**x, "sound": x["sound"] + self.passes}, y, w

    def on_epoch_end(self):
        self.passes += 1


def samples_of(dataset):
    """The samples of an epoch in their order, by the number they are about."""
    return np.concatenate([y["size"] for _, y, _ in dataset])


def test_each_epoch_has_every_sample_once_of_one_pass_in_a_new_order(
    models, tmp_path
):
    data = SimpleNamespace(train=Augmented(), validation=None)
    model = models["vectors"]
    cached = cache_embeddings(model, data, tmp_path, passes=2, seed=4)
    assert cached.validation is None
    assert len(cached.train) == SAMPLES // BATCH
    orders = [samples_of(cached.train) for _ in range(3)]
    everything = np.sort(toy_arrays()[1]["size"])
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), everything)
    assert not np.array_equal(orders[0], orders[1])

    speaking = embedding_model(model)
    x = toy_arrays()[0]
    said = [
        speaking.predict_on_batch({**{n: x[n] for n in NAMES}, "sound": s})
        for s in (x["sound"], x["sound"] + 1)
    ]
    drawn = []
    for _ in range(8):
        batches = list(cached.train)
        order = np.concatenate([y["size"] for _, y, _ in batches])
        got = np.concatenate([b["sound"] for b, _, _ in batches])
        rows = [np.where(toy_arrays()[1]["size"] == s)[0][0] for s in order]
        drawn += [
            number
            for number in range(2)
            if np.allclose(got, said[number]["sound"][rows], atol=1e-6)
        ]
    # One of the passes each time, and both in turn.
    assert len(drawn) == 8 and set(drawn) == {0, 1}


def test_the_order_follows_from_the_seed(models, tmp_path):
    model = models["vectors"]
    data = SimpleNamespace(train=Augmented(), validation=None)

    def epoch(dataset):
        """What each sample is about, and what was said: of which pass."""
        batches = [(y["size"], x["sound"]) for x, y, _ in dataset]
        return [np.concatenate(part) for part in zip(*batches, strict=True)]

    cached = cache_embeddings(model, data, tmp_path, passes=2, seed=1)
    first = [epoch(cached.train) for _ in range(8)]
    tf.random.set_seed(9)
    again = open_embeddings(tmp_path, model, data, seed=1)
    for number, wanted in enumerate(first):
        if number % 2:
            for got, value in zip(epoch(again.train), wanted, strict=True):
                np.testing.assert_array_equal(got, value)
        else:
            # An iterator that nobody reads stands for an epoch.
            iter(again.train)
    other = open_embeddings(tmp_path, model, data, seed=2)
    assert not np.array_equal(first[0][0], epoch(other.train)[0])


def test_data_without_weights_have_none_in_the_cache(models, tmp_path):
    x, y, _ = toy_arrays()
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH)
    data = SimpleNamespace(train=dataset, validation=None)
    cached = cache_embeddings(models["vectors"], data, tmp_path)
    batch = next(iter(cached.train))
    assert len(batch) == 2
    assert set(batch[0]) == {"present", "sound", "view"}
    assert batch[1]["digit"].dtype == tf.int32


def test_a_stale_or_damaged_cache_is_refused(tmp_path):
    model = model_with(*KINDS["vectors"]())
    manifest = {"files": {"train.tfrecord": {"bytes": 1, "sha256": "0"}}}
    data = data_of("vectors", manifest=manifest)
    cache_embeddings(model, data, tmp_path)
    open_embeddings(tmp_path, model, data)
    other = data_of("vectors", manifest={"files": {}})
    with pytest.raises(ValueError, match="`data_sha256`"):
        open_embeddings(tmp_path, model, other)
    weight = model.get_layer("view_tower").weights[0]
    weight.assign(weight + 1e-6)
    with pytest.raises(ValueError, match="`towers_sha256`.*write it again"):
        open_embeddings(tmp_path, model, data)
    cache_embeddings(model, data, tmp_path)
    file = tmp_path / "train-0.bin"
    file.write_bytes(b"x" + file.read_bytes()[1:])
    with pytest.raises(ValueError, match="not the file that was written"):
        open_embeddings(tmp_path, model, data)


def test_a_disk_without_room_is_told_before_anything_is_kept(
    models, tmp_path, monkeypatch
):
    usage = SimpleNamespace(free=1000)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    # Two vectors and `present`; two labels and their weights; three passes.
    needed = 3 * SAMPLES * 4 * (2 * WIDTH + 2 + 2 + 2)
    message = f"^`.*` must have room for .*{needed:,} bytes needed, 1,000 by"
    with pytest.raises(OSError, match=message):
        cache_embeddings(models["vectors"], toy_data(), tmp_path, passes=3)
    assert list(tmp_path.iterdir()) == []


def test_passes_of_different_lengths_are_refused(models, tmp_path):
    class Shrinking(Augmented):
        def __len__(self):
            return SAMPLES // BATCH - min(1, self.passes)

    data = SimpleNamespace(train=Shrinking(), validation=None)
    with pytest.raises(ValueError, match=r"Received: \[24, 12\] samples"):
        cache_embeddings(models["vectors"], data, tmp_path, passes=2)
    assert not (tmp_path / "manifest.json").exists()


def test_the_manifest_says_what_a_record_holds(models, tmp_path):
    cache_embeddings(models["vectors"], toy_data(), tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["kind"] == "embeddings"
    entry = manifest["splits"]["train"]
    assert entry["count"] == SAMPLES and entry["batch_size"] == BATCH
    assert entry["arrays"][0] == ["weights", "digit", "float32", []]
    sizes = manifest["files"]["train-0.bin"]["bytes"]
    assert sizes == SAMPLES * entry["record_bytes"]
