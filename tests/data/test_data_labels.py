"""Few labels: who keeps one, what is hidden, and what stays the same."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from data.data_toys import COLORS, make_spec, read_rows, write_rows, write_set

from mmkeras.data import load_data, prepare, read_labels

SAMPLES = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Sixty samples, all but a few of them to train; some lack labels."""
    root = tmp_path_factory.mktemp("labels") / "root"
    write_set(root, SAMPLES)
    rows = read_rows(root)
    for index in (4, 11, 21, 32):
        rows[index] |= {"color": "", "tags": "", "size": ""}
    # A number alone is a label, too.
    rows[7] |= {"color": "", "tags": ""}
    write_rows(root, rows)
    spec = make_spec(
        root,
        modalities__audio=None,
        modalities__text=None,
        split__train=0.8,
        split__validation=0.1,
        split__test=0.1,
        split__stratify=None,
    )
    out = root.parent / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "mmkeras.data.ingest.plan.samples_per_shard", lambda spec: 9
        )
        prepare(spec, out, workers=1)
    return out


def samples(dataset) -> dict:
    """Labels and weights of a data set, by what tells a sample: its `v2`."""
    found = {}
    for x, y, weights in dataset:
        for row, key in enumerate(x["vector"][:, 1].numpy()):
            found[int(key)] = {
                name: (y[name][row].numpy(), weights[name][row].numpy())
                for name in y
            }
    return found


def flat(dataset) -> list[np.ndarray]:
    return [value.numpy() for value in tf.nest.flatten(list(dataset))]


def known(labels) -> bool:
    return any(weight > 0 for _, weight in labels.values())


@pytest.mark.parametrize("fraction", [0.1, 0.3, 1.0])
def test_each_class_keeps_its_share_rounded_up(folder, fraction):
    data = load_data(folder, augment=False)
    there = {k: v for k, v in samples(data.train).items() if known(v)}

    def classes(found):
        return Counter(
            int(v["color"][0]) if v["color"][1] else -1 for v in found.values()
        )

    few = data.with_labels(fraction)
    got = samples(few.train)
    expected = {
        name: math.ceil(round(fraction * count, 6))
        for name, count in classes(there).items()
    }
    assert classes(got) == expected
    for key, labels in got.items():
        assert str(labels) == str(there[key])
    assert few.counts == {**data.counts, "train": len(got)}
    assert few.ids("train") == [
        name for name in data.ids("train") if 1000 - int(name[1:]) in got
    ]
    assert list(few.statistics["targets"]["color"]["counts"].values()) == [
        expected.get(index, 0) for index in range(len(COLORS))
    ]


def test_a_smaller_fraction_is_part_of_a_larger_one(folder):
    data = load_data(folder, augment=False)
    found = [
        set(data.with_labels(fraction, seed=3).ids("train"))
        for fraction in (0.1, 0.3, 0.7, 1.0)
    ]
    for smaller, larger in zip(found, found[1:], strict=False):
        assert smaller < larger
    assert found[1] == set(data.with_labels(0.3, seed=3).ids("train"))
    assert found[1] != set(data.with_labels(0.3, seed=4).ids("train"))


def test_everything_has_all_samples_and_no_hidden_label(folder):
    data = load_data(folder, augment=False, batch_size=7)
    few = data.with_labels(0.3)
    shown = samples(few.train)
    before, after = samples(data.train), samples(few.everything.train)
    assert set(before) == set(after) and few.everything.counts == data.counts
    for key, labels in after.items():
        if key in shown:
            assert str(labels) == str(before[key])
            continue
        for value, weight in labels.values():
            assert weight == 0 and not np.any(value)
    assert few.everything.validation is data.validation
    assert few.validation is data.validation


def test_all_labels_give_the_plain_batches(tmp_path):
    root = tmp_path / "root"
    write_set(root, 20)
    prepare(make_spec(root), tmp_path / "out", workers=1)
    data = load_data(tmp_path / "out", seed=5, batch_size=4)
    again = load_data(tmp_path / "out", seed=5, batch_size=4)
    few = again.with_labels(1.0)
    for _ in range(2):
        expected = flat(data.train)
        for got in (few.train, few.everything.train):
            for a, b in zip(expected, flat(got), strict=True):
                np.testing.assert_array_equal(a, b)


def test_a_set_that_memory_cannot_hold(folder, monkeypatch):
    small = load_data(folder, augment=False).with_labels(0.3)
    monkeypatch.setattr("mmkeras.data.loading.load.CACHE_BYTES", 0)
    few = load_data(folder, augment=False).with_labels(0.3)
    assert str(sorted(samples(few.train).items())) == str(
        sorted(samples(small.train).items())
    )
    assert set(samples(few.everything.train)) == set(
        samples(small.everything.train)
    )
    first, second = flat(few.train), flat(few.train)
    assert not all(map(np.array_equal, first, second))
    assert len(few.train) == math.ceil(few.counts["train"] / 32)


def test_labels_of_some_samples_leave_the_others_out(folder):
    """Read from few samples, and given to all of them."""
    data = load_data(folder, augment=False)
    few = data.with_labels(0.3)
    some = read_labels(few, seed=9)
    assert some.sha256 == read_labels(few, seed=9).sha256
    assert some.sha256 != read_labels(data, seed=9).sha256
    got = samples(data.using(replace(some, only=True)).train)
    assert str(sorted(got.items())) == str(sorted(samples(few.train).items()))
    for key, labels in samples(data.using(some).ordered("train")).items():
        assert known(labels) == (key in got)


def test_no_python_runs_in_the_pipeline(folder):
    few = load_data(folder).with_labels(0.3)
    for each in (few.train, few.everything.train):
        graph = each._as_serialized_graph().numpy()
        for operator in (b"PyFunc", b"GeneratorDataset"):
            assert operator not in graph


def test_the_iterator_can_be_checkpointed(folder, tmp_path):
    few = load_data(folder, batch_size=4).with_labels(0.5)
    iterator = iter(few.train)
    next(iterator)
    path = tf.train.Checkpoint(iterator=iterator).save(str(tmp_path / "it"))
    expected = flat([next(iterator)])
    other = iter(load_data(folder, batch_size=4).with_labels(0.5).train)
    tf.train.Checkpoint(iterator=other).restore(path)
    for a, b in zip(expected, flat([next(other)]), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("fraction", [0, -0.1, 1.1, float("nan"), True, "1"])
def test_a_fraction_out_of_range_is_refused(folder, fraction):
    with pytest.raises(
        ValueError, match="`fraction` must be above 0 and at most"
    ):
        load_data(folder).with_labels(fraction)


def test_labels_that_are_hidden_cannot_be_shared_out_again(folder):
    few = load_data(folder).with_labels(0.5)
    with pytest.raises(ValueError, match="hidden already"):
        few.with_labels(0.1)
