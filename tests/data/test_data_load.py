"""`load_data`: the batch contract, the order, and what a seed decides."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from data.data_toys import make_spec, read_rows, write_rows, write_set

from mmkeras.data import decode_file, encode_texts, load_data, prepare


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("load") / "root"
    write_set(folder)
    rows = read_rows(folder)
    for index in (3, 10, 20):
        rows[index]["audio"] = ""
    for index in (4, 11, 21):
        rows[index]["size"] = ""
    write_rows(folder, rows)
    return folder


@pytest.fixture(scope="module")
def spec(root):
    return make_spec(
        root,
        modalities__audio__optional=True,
        modalities__vector__optional=True,
    )


@pytest.fixture(scope="module")
def folder(root, spec, tmp_path_factory):
    out = tmp_path_factory.mktemp("load") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "mmkeras.data.ingest.plan.samples_per_shard", lambda spec: 5
        )
        prepare(spec, out)
    return out


def flat(dataset) -> list[np.ndarray]:
    return [value.numpy() for value in tf.nest.flatten(list(dataset))]


def equal(left, right) -> bool:
    return len(left) == len(right) and all(
        np.array_equal(a, b) for a, b in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_the_batch_contract(folder, split):
    data = load_data(folder, batch_size=4)
    x, y, weights = next(iter(getattr(data, split)))
    shapes = {k: (tuple(v.shape), v.dtype.name) for k, v in x.items()}
    assert shapes == {
        "image": ((4, 8, 6, 1), "uint8"),
        "audio": ((4, 800), "float32"),
        "text": ((4, 12), "int32"),
        "vector": ((4, 2), "float32"),
        "present": ((4, 2), "float32"),
    }
    shapes = {k: (tuple(v.shape), v.dtype.name) for k, v in y.items()}
    assert shapes == {
        "color": ((4,), "int32"),
        "tags": ((4, 3), "float32"),
        "size": ((4,), "float32"),
    }
    assert set(weights) == set(y)
    for weight in weights.values():
        assert weight.shape == (4,) and weight.dtype == tf.float32


def test_static_shapes_but_for_the_batch(folder):
    x, _, _ = load_data(folder).train.element_spec
    assert x["image"].shape.as_list() == [None, 8, 6, 1]
    assert x["audio"].shape.as_list() == [None, 800]


def test_samples_are_the_files_they_came_from(root, spec, folder):
    data = load_data(folder, batch_size=3)
    rows = {row["id"]: row for row in read_rows(root)}
    for split in ("train", "validation", "test"):
        samples = data.ordered(split).unbatch()
        ids = data.ids(split)
        assert len(ids) == data.counts[split]
        for name, (x, y, weights) in zip(ids, samples, strict=True):
            row = rows[name]
            for kind in ("image", "audio"):
                value = np.zeros(800, "f4")
                if row[kind]:
                    modality = spec.modalities[kind]
                    value = decode_file(modality, root / row[kind])
                assert np.array_equal(x[kind], value)
            assert x["vector"].numpy().tolist() == [
                float(row["v1"]), float(row["v2"])
            ]  # fmt: skip
            path = data.tokenizer_path("text")
            assert np.array_equal(
                x["text"], encode_texts(path, [row["text"]])[0]
            )
            # Columns in sorted order: audio, vector.
            assert x["present"].numpy().tolist() == [row["audio"] != "", 1]
            assert y["color"] == ("black", "grey", "white").index(row["color"])
            assert y["tags"].numpy().sum() == row["tags"].count("|") + 1
            assert weights["size"] == (row["size"] != "")
            assert y["size"] == float(row["size"] or 0)


def test_every_sample_comes_once_an_epoch_and_the_last_batch_is_kept(folder):
    data = load_data(folder, batch_size=7, augment=False)
    expected = sorted(v for x, _, _ in data.ordered("train")
                      for v in x["vector"][:, 1].numpy())  # fmt: skip
    for _ in range(2):
        sizes, seen = [], []
        for x, _, _ in data.train:
            sizes.append(len(x["text"]))
            seen += x["vector"][:, 1].numpy().tolist()
        assert sizes == [7, 7, 4] and sorted(seen) == expected


@pytest.mark.parametrize("cached", [True, False])
def test_a_seed_decides_order_and_augmentation(folder, cached, monkeypatch):
    if not cached:
        # As for a set that memory cannot hold: shards are shuffled, too.
        monkeypatch.setattr("mmkeras.data.loading.load.CACHE_BYTES", 0)
    epochs = {}
    for run, seed in (("first", 1), ("again", 1), ("other", 2)):
        # What else the process does must not matter.
        keras.utils.set_random_seed(len(run) * seed)
        data = load_data(folder, batch_size=5, seed=seed)
        epochs[run] = [flat(data.train) for _ in range(3)]
    for epoch in range(3):
        assert equal(epochs["first"][epoch], epochs["again"][epoch])
        assert not equal(epochs["first"][epoch], epochs["other"][epoch])
    assert not equal(epochs["first"][0], epochs["first"][1])
    assert not equal(epochs["first"][1], epochs["first"][2])


@pytest.mark.parametrize("cached", [True, False])
def test_an_iterator_that_nobody_reads_is_an_epoch_gone_by(
    folder, cached, monkeypatch
):
    """So that a training that was stopped goes on with the next order."""
    if not cached:
        monkeypatch.setattr("mmkeras.data.loading.load.CACHE_BYTES", 0)
    data = load_data(folder, batch_size=5, seed=1)
    epochs = [flat(data.train) for _ in range(3)]
    data = load_data(folder, batch_size=5, seed=1)
    for _ in range(2):
        iter(data.train)
    assert equal(flat(data.train), epochs[2])


def test_only_training_is_augmented_and_shuffled(folder):
    plain = load_data(folder, augment=False)
    data = load_data(folder, augment=True)
    for split in ("validation", "test"):
        assert equal(flat(getattr(data, split)), flat(plain.ordered(split)))
        assert equal(flat(getattr(data, split)), flat(getattr(data, split)))
    assert not equal(flat(data.train), flat(plain.train))


def test_no_cache_gives_the_same_batches(folder):
    cached = load_data(folder, seed=3)
    fresh = load_data(folder, seed=3, cache=False)
    for _ in range(2):
        assert equal(flat(cached.train), flat(fresh.train))


def test_it_trains_a_model_as_any_dataset_does(folder):
    data = load_data(folder, batch_size=6)
    image = keras.Input((8, 6, 1), name="image")
    features = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image))
    model = keras.Model(
        {"image": image},
        {"color": keras.layers.Dense(3, "softmax", name="color")(features)},
    )
    model.compile(
        optimizer=keras.optimizers.Adam(0.05),
        loss={"color": "sparse_categorical_crossentropy"},
        weighted_metrics={"color": ["accuracy"]},
    )

    def only(x, y, weights):
        return (
            {"image": x["image"]},
            {"color": y["color"]},
            {"color": weights["color"]},
        )

    train = data.train.map(only)
    history = model.fit(
        train,
        validation_data=data.validation.map(only),
        epochs=15,
        verbose=0,
    )
    assert history.history["loss"][-1] < history.history["loss"][0] / 2


def test_no_python_runs_in_the_pipeline(folder):
    data = load_data(folder)
    graph = data.train._as_serialized_graph().numpy()
    for operator in (b"PyFunc", b"GeneratorDataset"):
        assert operator not in graph


def test_the_iterator_can_be_checkpointed(folder, tmp_path):
    iterator = iter(load_data(folder, batch_size=4).train)
    next(iterator)
    checkpoint = tf.train.Checkpoint(iterator=iterator)
    path = checkpoint.save(str(tmp_path / "iterator"))
    expected = [flat([next(iterator)]) for _ in range(2)]
    other = iter(load_data(folder, batch_size=4).train)
    tf.train.Checkpoint(iterator=other).restore(path)
    for values in expected:
        assert equal(values, flat([next(other)]))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"batch_size": 0}, "`batch_size`.*Received: batch_size=0"),
        ({"batch_size": 2.0}, "`batch_size`"),
        ({"seed": -1}, "`seed`"),
        ({"on_error": "ignore"}, "one of raise, skip"),
        ({"augment": {"video": {}}}, "modalities of the spec"),
    ],
)
def test_wrong_arguments_are_one_message(folder, arguments, message):
    with pytest.raises(ValueError, match=message):
        load_data(folder, **arguments)


def test_names_that_are_not_there(folder):
    data = load_data(folder)
    with pytest.raises(ValueError, match="test, train, validation"):
        data.ordered("tset")
    with pytest.raises(ValueError, match="of kind 'text'"):
        data.tokenizer_path("image")


def test_a_folder_that_is_none_of_ours(tmp_path):
    with pytest.raises(ValueError, match="manifest.json"):
        load_data(tmp_path)


def test_importing_the_package_does_not_import_tensorflow():
    import subprocess
    import sys

    code = (
        "import sys, mmkeras.data; from mmkeras.data import load_data, Data\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
