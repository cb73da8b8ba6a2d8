"""Objectives across modalities: their numbers, and what they teach."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from compiling import compiled
from training_toys import (
    BATCH,
    SAMPLES,
    Batches,
    toy_arrays,
    toy_data,
    toy_model,
    toy_tower,
)

from mmkeras.training import ALIGNMENTS, Paired, alignment_model
from mmkeras.training.alignment import SigLIPAlignment

WIDTHS = {"a": 5, "b": 4, "c": 6}


def vectors_of(samples=7, names="ab", seed=0):
    draw = np.random.default_rng(seed)
    return {
        n: draw.normal(size=(samples, WIDTHS[n])).astype("float32")
        for n in names
    }


def columns_of(seed, samples=7, names="ab"):
    draw = np.random.default_rng(seed)
    return {
        n: (draw.random((samples, 1)) < 0.7).astype("float32") for n in names
    }


def built(kind, names="ab", **options):
    keras.utils.set_random_seed(0)
    layer = ALIGNMENTS.parts[kind].build(units=3, **options)
    layer(vectors_of(names=names), columns_of(0, names=names))
    return layer


def log_softmax(x):
    x = x - x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def rows_of(layer, vectors, name, kept):
    row = vectors[name][kept] @ np.asarray(layer.projections[name].kernel)
    return row / np.linalg.norm(row, axis=1, keepdims=True)


def contrast(layer, vectors, here):
    """The mean over the pairs of modalities, of samples that have both."""
    found, names = [], sorted(vectors)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            kept = (here[one] * here[other])[:, 0] > 0
            if not kept.any():
                continue
            a, b = (rows_of(layer, vectors, n, kept) for n in (one, other))
            scores = a @ b.T * np.exp(float(layer.log_scale))
            if isinstance(layer, SigLIPAlignment):
                sign = 2 * np.eye(len(scores)) - 1
                logits = sign * (scores + float(layer.bias))
                found.append(np.log1p(np.exp(-logits)).sum() / len(scores))
            else:
                ways = log_softmax(scores), log_softmax(scores.T)
                found.append(-np.mean([np.diag(way).mean() for way in ways]))
    return np.mean(found)


@pytest.mark.parametrize("kind", ["infonce", "siglip"])
@pytest.mark.parametrize("names", ["ab", "abc"])
def test_contrastive_losses_are_those_of_the_papers(kind, names):
    layer = built(kind, names)
    layer.log_scale.assign(1.3)
    if kind == "siglip":
        layer.bias.assign(-0.7)
    for seed in range(3):
        vectors = vectors_of(names=names, seed=seed)
        here = columns_of(seed, names=names)
        got = float(layer(vectors, here))
        assert got == pytest.approx(contrast(layer, vectors, here), rel=1e-4)
        everyone = {n: np.ones_like(column) for n, column in here.items()}
        got = float(layer(vectors))
        wanted = contrast(layer, vectors, everyone)
        assert got == pytest.approx(wanted, rel=1e-4)


def prediction(layer, vectors, here):
    """Mean squared error of standardised vectors, and both penalties."""

    def dense(part, name, x):
        found = getattr(layer, part)[name]
        return x @ np.asarray(found.kernel) + np.asarray(found.bias)

    total = 0
    for name in vectors:
        asked, errors = 0, 0
        kept = vectors[name][here[name][:, 0] > 0]
        mean, cov = kept.mean(axis=0), np.cov(kept.T)
        spread = np.sqrt(np.diag(cov) + 1e-4)
        for row in range(len(vectors[name])):
            others = [
                dense("speak", other, vectors[other][row])
                for other in vectors
                if other != name and here[other][row, 0]
            ]
            if here[name][row, 0] and others:
                x = np.maximum(np.mean(others, axis=0), 0)
                x = np.maximum(dense("think", name, x), 0)
                target = (vectors[name][row] - mean) / spread
                errors += np.mean((dense("guess", name, x) - target) ** 2)
                asked += 1
        apart = np.sum(cov**2) - np.sum(np.diag(cov) ** 2)
        total += errors / max(asked, 1)
        total += layer.variance * np.mean(np.maximum(1 - spread, 0))
        total += layer.covariance * apart / len(cov)
    return total / len(vectors)


@pytest.mark.parametrize("names", ["ab", "abc"])
def test_masked_prediction_is_the_formula(names):
    layer = built("masked", names, variance=0.5, covariance=0.1)
    for seed in range(3):
        # Small enough for the penalty on deviations to count.
        vectors = vectors_of(names=names, seed=seed)
        vectors = {n: x * 0.8 for n, x in vectors.items()}
        here = columns_of(seed, names=names)
        got = float(layer(vectors, here))
        assert got == pytest.approx(prediction(layer, vectors, here), rel=1e-4)


@pytest.mark.parametrize("kind", ALIGNMENTS.parts)
def test_what_is_absent_has_no_influence(kind):
    """Neither on the loss nor, as a negative, on the others."""
    layer = built(kind)
    vectors, here = vectors_of(), columns_of(1)
    assert here["a"].min() == 0
    changed = {
        n: np.where(here[n] > 0, x, 100 * x + 3) for n, x in vectors.items()
    }
    assert float(layer(vectors, here)) == float(layer(changed, here))
    nobody = {n: np.zeros_like(column) for n, column in here.items()}
    assert float(layer(vectors, nobody)) == 0


@pytest.mark.parametrize("kind", ALIGNMENTS.parts)
def test_one_sample_gives_a_finite_loss_and_gradient(kind):
    layer = built(kind)
    vectors = {n: tf.Variable(x) for n, x in vectors_of(samples=1).items()}
    with tf.GradientTape() as tape:
        loss = layer({n: tf.convert_to_tensor(x) for n, x in vectors.items()})
    assert np.isfinite(float(loss))
    for grad in tape.gradient(loss, list(vectors.values())):
        assert grad is None or np.isfinite(np.asarray(grad)).all()


def test_the_temperature_begins_and_ends_as_in_clip():
    layer = built("infonce")
    assert np.exp(float(layer.log_scale)) == pytest.approx(1 / 0.07)
    optimizer = keras.optimizers.SGD(1.0)
    optimizer.apply([np.float32(-50.0)], [layer.log_scale])
    assert np.exp(float(layer.log_scale)) == pytest.approx(100, rel=1e-5)
    other = built("siglip")
    assert np.exp(float(other.log_scale)) == pytest.approx(10)
    assert float(other.bias) == -10


def concept_data(samples=96, seed=0):
    """Both modalities show one of six things, faintly, under much noise.

    The noise of one has nothing to do with the noise of the other.
    """
    draw = np.random.default_rng(seed)
    thing = draw.integers(0, 6, samples)
    angle = thing * np.pi / 3
    shown = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    x = {"present": np.ones((samples, 2), "float32")}
    for name, size in (("sound", 4), ("view", 5)):
        noise = 3 * draw.normal(size=(samples, size - 2))
        mixed = np.linalg.qr(draw.normal(size=(size, size)))[0]
        parts = np.concatenate([shown, noise], axis=1) @ mixed
        x[name] = parts.astype("float32")
    return x, thing


def neighbours(model, x, thing):
    """Share of samples whose nearest neighbour shows the same thing."""
    right = []
    for name in ("sound", "view"):
        vector = np.asarray(model.get_layer(f"{name}_tower")(x[name])["vector"])
        apart = np.linalg.norm(vector[:, None] - vector[None], axis=-1)
        np.fill_diagonal(apart, np.inf)
        right.append(np.mean(thing[apart.argmin(axis=1)] == thing))
    return np.mean(right)


@pytest.mark.parametrize("kind", ALIGNMENTS.parts)
def test_it_teaches_the_towers_and_nothing_else(kind):
    whole = toy_model(seed=3)
    x, thing = concept_data()
    towers = ("sound_tower", "view_tower")
    before = {layer.name: layer.get_weights() for layer in whole.layers}
    first = neighbours(whole, x, thing)
    model = alignment_model(whole, kind, units=8)
    compiled(model, (x,), keras.optimizers.Adam(0.02))
    dataset = tf.data.Dataset.from_tensor_slices((x,)).batch(96)
    history = model.fit(dataset, epochs=100, verbose=0).history["loss"]
    assert history[-1] < 0.5 * history[0]
    assert first < 0.35
    assert neighbours(whole, x, thing) > 0.7
    for name, weights in before.items():
        same = [
            np.array_equal(a, b)
            for a, b in zip(
                weights, whole.get_layer(name).get_weights(), strict=True
            )
        ]
        assert not any(same) if name in towers else all(same), name
    for name in towers:
        vector = np.asarray(whole.get_layer(name)(x[name[:-6]])["vector"])
        values = np.linalg.svd(vector - vector.mean(axis=0))[1]
        share = values**2 / np.sum(values**2)
        # No collapse: not to a point, and not to a line.
        assert vector.std(axis=0).max() > 0.5
        assert np.exp(-np.sum(share * np.log(share))) > 1.8


def test_data_lose_their_labels_and_gain_the_unlabelled():
    whole = toy_model()
    model = alignment_model(whole, "infonce")
    data = toy_data(everything=toy_data(samples=2 * SAMPLES))
    paired = Paired(data, model)
    batches = list(paired.train)
    assert len(batches) == 2 * SAMPLES // BATCH
    assert len(batches[0]) == 1
    assert set(batches[0][0]) == {"present", "sound", "view"}
    assert len(paired.validation) == 1
    alone = SimpleNamespace(train=Batches(), validation=None)
    paired = Paired(alone, model)
    assert paired.validation is None and len(paired.train) == 2
    np.testing.assert_array_equal(
        paired.train[1][0]["sound"], toy_arrays()[0]["sound"][BATCH:]
    )
    model.compile("adam", run_eagerly=True)
    model.fit(paired.train, verbose=0)
    with pytest.raises(ValueError, match="PyDataset`. Received: list"):
        Paired(SimpleNamespace(train=[toy_arrays()], validation=None), model)


def three_towers(present):
    """Sound may be absent, the other two are always there."""
    sizes = {"smell": 3, "sound": 4, "view": 5}
    inputs = {n: keras.Input((s,), name=n) for n, s in sizes.items()}
    vectors = [toy_tower(n, sizes[n])(inputs[n])["vector"] for n in sizes]
    x = keras.layers.Concatenate()(vectors)
    if present:
        inputs["present"] = keras.Input((1,), name="present")
        x = keras.layers.Concatenate()([x, inputs["present"]])
    return keras.Model(inputs, {"y": keras.layers.Dense(2, name="y")(x)})


def test_columns_say_whose_absence_counts():
    whole = three_towers(present=True)
    draw = np.random.default_rng(0)
    x = {
        n: draw.normal(size=(6, *i.shape[1:])).astype("float32")
        for n, i in whole.input.items()
    }
    model = alignment_model(whole, "infonce", columns={"sound": 0})
    x["present"] = np.array([[1], [1], [0], [1], [0], [1]], "float32")
    loss = float(model(x))
    assert loss == float(model({**x, "sound": x["sound"] * x["present"]}))
    x["present"] = np.ones((6, 1), "float32")
    assert loss != float(model(x))
    two = alignment_model(whole, "siglip", ["smell", "view"], {"sound": 0})
    assert set(two.input) == {"smell", "view"}
    plain = alignment_model(three_towers(present=False), "masked")
    assert set(plain.input) == {"smell", "sound", "view"}


def test_it_saves_and_loads(tmp_path):
    whole = toy_model()
    x = toy_arrays()[0]
    for kind in ALIGNMENTS.parts:
        model = alignment_model(whole, kind, units=4)
        model.save(tmp_path / "m.keras")
        loaded = keras.saving.load_model(tmp_path / "m.keras")
        assert float(loaded(x)) == pytest.approx(float(model(x)), rel=1e-5)
        assert loaded.compute_loss(y_pred=loaded(x)) == loaded(x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("clip",),
            "one of infonce, siglip, masked. Received: objective='clip'",
        ),
        (("masked", ["sound"]), r"sound, view. Received: \['sound'\]"),
        (("masked", ["sound", "smell"]), "Received: .*'smell'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        alignment_model(toy_model(), *arguments)
