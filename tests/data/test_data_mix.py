"""Samples of a batch mixed in pairs: one partner and one share for all."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from data.data_toys import make_spec

from mmkeras import heads
from mmkeras.data import batch_augmenter, settings_of

PICTURE = {"kind": "image", "column": "p", "height": 16, "width": 16,
           "channels": 1}  # fmt: skip
SOUND = {"kind": "audio", "column": "s", "sample_rate_hz": 8000,
         "duration_sec": 0.1, "optional": True}  # fmt: skip
SCAN = {"kind": "volume", "column": "v", "depth": 4, "height": 16, "width": 16,
        "spacing_mm": [1, 1, 1], "window_low": 0,
        "window_high": 255}  # fmt: skip
TABLE = {"kind": "vector", "columns": ["v1", "v2"]}
MODALITIES = {"picture": PICTURE, "sound": SOUND, "scan": SCAN, "table": TABLE}
SPEC = make_spec(modalities=MODALITIES)
BATCH = 48
# Each sample is its own number everywhere.
OWN = np.arange(BATCH, dtype=np.float32)
CLASS, COUNT = np.arange(BATCH) % 3, len(SPEC.targets["color"].classes)


def batch(present=1.0, weight=1.0):
    def filled(*shape):
        return tf.constant(
            np.broadcast_to(OWN.reshape(-1, *[1] * len(shape)), (BATCH, *shape))
        )

    there = tf.constant(np.broadcast_to(present, BATCH), tf.float32)
    inputs = {
        "picture": tf.cast(filled(16, 16, 1) * 5, tf.uint8),
        "sound": filled(800) / 64 * there[:, None],
        "scan": filled(4, 16, 16, 1),
        "table": filled(2),
        "present": there[:, None],
    }
    labels = {
        "color": tf.constant(CLASS, tf.int32),
        "tags": tf.one_hot(CLASS, COUNT),
        "size": tf.constant(OWN),
    }
    weights = {name: tf.ones(BATCH) for name in labels}
    weights["color"] *= tf.constant(weight, tf.float32)
    return inputs, labels, weights


def mixed(values, seed=1, given=None, spec=SPEC):
    change = batch_augmenter(spec, settings_of(spec, {"mix": values}))
    x, y, weights = change(given or batch(), tf.constant(seed, tf.int64))
    return tuple({k: v.numpy() for k, v in d.items()} for d in (x, y, weights))


def shares(y):
    """The share of the sample's own; its partner is the one before it."""
    size, other = y["size"], np.roll(OWN, 1)
    return (size - other) / (OWN - other)


def test_blended_samples_have_one_share_in_inputs_and_labels():
    x, y, weights = mixed({"mixup": 1})
    own = shares(y)
    assert own.min() < 0.15 and own.max() > 0.85
    assert np.allclose(x["table"][:, 0], y["size"], atol=1e-4)
    assert np.allclose(x["scan"][:, 1, 2, 3, 0], y["size"], atol=1e-4)
    assert np.allclose(x["sound"][:, 7] * 64, y["size"], atol=1e-4)
    assert np.abs(x["picture"][:, 3, 4, 0] / 5 - y["size"]).max() <= 0.11
    assert x["picture"].dtype == np.uint8
    other = np.roll(CLASS, 1)
    assert y["color"].shape == (BATCH, COUNT)
    assert np.allclose(y["color"].sum(axis=1), 1)
    rows = np.arange(BATCH)
    assert np.allclose(y["color"][rows, CLASS], own, atol=1e-4)
    assert np.allclose(y["color"][rows, other], 1 - own, atol=1e-4)
    assert np.allclose(y["tags"], y["color"])
    assert all((w == 1).all() for w in weights.values())


def test_a_small_alpha_leaves_most_samples_nearly_as_they_are():
    own = np.ravel([shares(mixed({"mixup": 0.05}, s)[1]) for s in range(4)])
    # 0.83 of Beta(0.05, 0.05).
    assert ((own < 0.02) | (own > 0.98)).mean() > 0.7
    assert (own < 0.02).sum() > 40 and (own > 0.98).sum() > 40


def test_a_cut_is_one_part_of_each_sample_and_of_its_label():
    x, y, _ = mixed({"cutmix": 1})
    own, other = shares(y), np.roll(OWN, 1)
    picture = x["picture"][..., 0] / 5
    for i in range(BATCH):
        assert set(np.unique(picture[i])) <= {OWN[i], other[i]}
    foreign = picture == other[:, None, None]
    rows, columns = foreign.any(axis=2), foreign.any(axis=1)
    assert np.array_equal(foreign, rows[:, :, None] & columns[:, None])
    parts = [
        foreign.mean(axis=(1, 2)),
        (np.round(x["sound"] * 64) == other[:, None]).mean(axis=1),
        (x["scan"][..., 0] == other[:, None, None, None]).mean(axis=(1, 2, 3)),
    ]
    # The label has the mean of what was put in.
    assert np.allclose(1 - own, np.mean(parts, axis=0), atol=1e-4)
    assert np.abs(parts[0] - parts[1]).max() < 0.08, "whole pixels"
    assert np.ptp(own) > 0.7
    # The same place in picture and volume.
    slices = (x["scan"][..., 0] == other[:, None, None, None]).any(axis=1)
    pairs = [
        [np.argwhere(one).mean(axis=0) for one in pair]
        for pair in zip(foreign, slices, strict=True)
        if pair[0].any() and pair[1].any()
    ]
    assert len(pairs) > 30
    assert np.corrcoef(*np.swapaxes(pairs, 0, 1).reshape(2, -1))[0, 1] > 0.8
    # Without an axis to cut, a table is blended.
    assert np.allclose(x["table"][:, 0], y["size"], atol=1e-4)


def test_both_have_half_of_the_batches():
    cut = []
    for seed in range(24):
        x, _, _ = mixed({"cutmix": 1, "mixup": 1}, seed)
        cut.append((x["scan"] % 1 == 0).all())
    assert 5 < sum(cut) < 19


def test_nothing_is_mixed_with_what_is_absent_or_unlabelled():
    present = (np.arange(BATCH) % 4 > 0).astype("float32")
    weight = (np.arange(BATCH) % 6 > 0).astype("float32") * 2
    given = batch(present, weight)
    for values in ({"mixup": 1}, {"cutmix": 1}):
        x, y, weights = mixed(values, given=given)
        own = shares(y)
        alike = (present == np.roll(present, 1)) & (
            (weight > 0) == (np.roll(weight, 1) > 0)
        )
        assert (own[~alike] == 1).all() and (own[alike] < 0.97).sum() > 5
        assert np.array_equal(x["present"][:, 0], present)
        assert not x["sound"][present == 0].any()
        assert np.array_equal(weights["color"] > 0, weight > 0)
        for name, before in given[0].items():
            same = before.numpy()[~alike]
            assert np.array_equal(x[name][~alike], same), name


def test_a_gap_stays_with_the_sample_that_has_it():
    series = {"kind": "series", "column": "s", "channels": ["a"],
              "sample_rate_hz": 10, "duration_sec": 1}  # fmt: skip
    spec = make_spec(modalities={"one": series})
    values = np.broadcast_to(OWN[:, None, None], (BATCH, 10, 1)).copy()
    values[::3, 4:6] = np.nan
    x, y, weights = batch()
    # Of a sample that is not mixed, the partner's gap is no matter.
    weights["size"] *= tf.constant(np.arange(BATCH) % 2, tf.float32)
    given = ({"one": tf.constant(values)}, y, weights)
    x, _, _ = mixed({"mixup": 1}, given=given, spec=spec)
    assert np.array_equal(x["one"], values, equal_nan=True)
    given = ({"one": tf.constant(values)}, *batch()[1:])
    x, _, _ = mixed({"mixup": 1}, given=given, spec=spec)
    gap = np.isnan(values) | np.isnan(np.roll(values, 1, axis=0))
    assert np.array_equal(np.isnan(x["one"]), gap)


def test_a_batch_is_mixed_alike_from_its_seed_eager_or_not():
    values = {"cutmix": 0.5, "mixup": 0.5}
    change = batch_augmenter(SPEC, settings_of(SPEC, {"mix": values}))
    seeds = tf.data.Dataset.from_tensor_slices(tf.constant([3, 4, 3], "int64"))
    batches = tf.data.Dataset.from_tensors(batch()).repeat(3)
    first, other, again = tf.data.Dataset.zip(batches, seeds).map(change)
    _, y, _ = mixed(values, 3)
    for name in y:
        assert np.array_equal(first[1][name], again[1][name])
        assert not np.array_equal(first[1][name], other[1][name])
        assert np.allclose(first[1][name], y[name], atol=1e-5)
    assert np.array_equal(first[0]["picture"], again[0]["picture"])


def test_steps_with_labels_are_blended_step_by_step():
    steps = {"kind": "sequence", "column": "x", "steps": 4,
             "classes": ["a", "b"]}  # fmt: skip
    spec = make_spec(
        modalities={"table": TABLE},
        targets={"steps": steps},
        split__stratify=None,
    )
    target = spec.targets["steps"]
    labels = tf.constant([[0, 0, 1, 1], [1, 0, 0, 1]])
    found = target.mix(labels, labels[::-1], tf.constant([0.75, 1.0])).numpy()
    assert np.allclose(found[0, :, 1], [0.25, 0, 0.75, 1])
    assert np.allclose(found[1, :, 1], [1, 0, 0, 1])
    assert settings_of(spec, {"mix": {"mixup": 1}})
    with pytest.raises(ValueError, match="cutmix` must be 0.*`steps`"):
        settings_of(spec, {"mix": {"cutmix": 1}})


@pytest.mark.parametrize(
    "changes, values, message",
    [
        ({"modalities__text": {"kind": "text", "column": "t",
                               "max_tokens": 4}},
         {"mixup": 1}, "`text` of kind 'text'"),
        ({"modalities__table": {"kind": "vector", "categorical": ["v1"]}},
         {"mixup": 1}, "`table` of kind 'vector'"),
        ({"targets__who": {"kind": "embedding", "column": "who"}},
         {"cutmix": 1}, "`who` of kind 'embedding'"),
        ({}, {"mixup": -1}, "`augment.mix.mixup` must be a number from 0"),
        ({}, {"mixop": 1}, "Did you mean `mixup`"),
        ({}, 1, "`augment.mix` must be a table"),
    ],
)  # fmt: skip
def test_what_cannot_be_mixed_is_refused_by_name(changes, values, message):
    spec = make_spec(**{"modalities": {"table": TABLE}, **changes})
    with pytest.raises(ValueError, match=message):
        settings_of(spec, {"mix": values})


@pytest.mark.parametrize(
    "head",
    [
        heads.Category(3),
        heads.Category(3, label_smoothing=0.1, class_weights=[1, 2, 3]),
        heads.Ordinal(3),
        heads.Sequence(3, steps=2),
    ],
)
def test_the_loss_of_mixed_labels_is_the_mixed_loss(head):
    random = np.random.default_rng(0)
    shape = (5, 2) if isinstance(head, heads.Sequence) else (5,)
    outputs = random.dirichlet(np.ones(3), shape).astype("float32")
    one, other = random.integers(0, 3, (2, *shape))
    pair = [np.eye(3, dtype="float32")[each] for each in (one, other)]
    loss = head.loss()
    soft = loss(0.7 * pair[0] + 0.3 * pair[1], outputs)
    hard = 0.7 * loss(one, outputs) + 0.3 * loss(other, outputs)
    assert float(soft) == pytest.approx(float(hard), rel=1e-5)
    for metric in head.metrics():
        twice = []
        for labels in (one, 0.7 * pair[0] + 0.3 * pair[1]):
            metric.reset_state()
            metric.update_state(labels, outputs)
            twice.append(float(metric.result()))
        assert twice[0] == pytest.approx(twice[1]), metric.name


def test_labels_there_by_a_share_are_counted_as_there_or_not():
    (metric,) = heads.Categories(2).metrics()
    metric.update_state([[0.7, 0.0], [0.3, 1.0]], [[0.9, 0.2], [0.9, 0.2]])
    assert float(metric.result()) == 0.5
    same = keras.metrics.BinaryAccuracy()
    same.update_state([[1.0, 0.0], [0.0, 1.0]], [[0.9, 0.2], [0.9, 0.2]])
    assert float(same.result()) == 0.5
