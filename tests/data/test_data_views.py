"""Two views of one sample: alike in all but how far they are changed."""

import math

import numpy as np
import pytest
import tensorflow as tf
from data.data_toys import make_spec, write_set

from mmkeras.data import load_data, prepare, stronger

CHANGE = {"image": {"brightness": 0.1}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("views") / "root"
    write_set(root)
    prepare(make_spec(root), root.parent / "out", workers=1)
    return root.parent / "out"


def few(folder, **arguments):
    arguments = {"augment": CHANGE, "seed": 1, **arguments}
    return load_data(folder, **arguments).with_labels(0.2)


def test_an_epoch_has_every_sample_once_beside_labelled_ones(folder):
    data = few(folder)
    every = data.everything.counts["train"]
    labelled = set(data.ids("train"))
    seen, batches = [], 0
    for x, y, weights in data.views(2, 5):
        assert set(x) == {"labelled", "weak", "strong"}
        assert len(y["color"]) == len(x["labelled"]["image"]) == 2
        assert np.all(weights["color"].numpy() == 1)
        ids = 1000 - x["labelled"]["vector"][:, 1].numpy()
        assert {f"s{int(i)}" for i in ids} <= labelled
        for name in ("audio", "text", "vector"):
            np.testing.assert_array_equal(x["weak"][name], x["strong"][name])
        seen += x["weak"]["vector"][:, 1].numpy().tolist()
        batches += 1
    assert batches == math.ceil(every / 5)
    assert len(set(seen)) == len(seen) == every


def test_the_strong_view_goes_further_than_the_weak_one(folder):
    plain = {
        x["vector"][0, 1].numpy(): x["image"][0].numpy().astype(float)
        for x, _, _ in few(folder, batch_size=1).everything.ordered("train")
    }
    moved = {"weak": [], "strong": []}
    for x, _, _ in few(folder).views(2, 5, strength=3.0):
        for view, found in moved.items():
            for key, image in zip(
                x[view]["vector"][:, 1].numpy(),
                x[view]["image"].numpy(),
                strict=True,
            ):
                found.append(np.abs(image.astype(float) - plain[key]).mean())
    assert max(moved["weak"]) <= 26 < max(moved["strong"]) <= 77
    # Not the same draw, three times as far.
    ratio = np.array(moved["strong"]) / np.maximum(moved["weak"], 1)
    assert ratio.std() > 0.1


def flat(dataset):
    return [value.numpy() for value in tf.nest.flatten(list(dataset))]


def test_a_seed_decides_and_epochs_that_are_skipped_are_skipped(folder):
    """An iterator that is not read advances the order as one that is."""
    one, two = (few(folder).views(2, 5) for _ in range(2))
    first = flat(one)
    iter(two)
    second = flat(one)
    for a, b in zip(second, flat(two), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not all(map(np.array_equal, first, second))
    graph = one._as_serialized_graph().numpy()
    for operator in (b"PyFunc", b"GeneratorDataset"):
        assert operator not in graph


def test_what_is_off_stays_off_and_limits_are_kept():
    spec = make_spec()
    found = stronger(
        spec,
        {
            "image": {"zoom": 0.5, "rotation_degrees": 0},
            "audio": {"noise_snr_db": 20, "gain_db": 6},
        },
        3.0,
    )
    assert found["image"] == {"zoom": 0.9, "rotation_degrees": 0}
    assert found["audio"]["gain_db"] == 18
    # Three times the noise, in decibel.
    assert found["audio"]["noise_snr_db"] == pytest.approx(20 - 9.542, abs=0.01)
    text = stronger(spec, {}, 1.0)["text"]
    assert {key: value for key, value in text.items() if value} == {
        "token_dropout": 0.1
    }


def test_data_that_cannot_be_augmented_are_refused():
    spec = make_spec(
        modalities__image=None, modalities__audio=None, modalities__text=None
    )
    with pytest.raises(ValueError, match="Received: the kinds vector"):
        stronger(spec, {}, 3.0)
