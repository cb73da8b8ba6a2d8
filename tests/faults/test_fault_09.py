"""Fault 9: one flipped bit costs one sample, and never silently."""

import shutil
import struct

import numpy as np
import pytest
from data.data_toys import make_spec, write_set

from mmkeras.data import load_data, prepare

SHARD = "train-00001.tfrecord"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    write_set(folder / "root")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "mmkeras.data.ingest.plan.samples_per_shard", lambda spec: 6
        )
        prepare(make_spec(folder / "root"), folder / "out")
    return folder / "out"


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "copy")


def flip(path, record: int, offset: int) -> None:
    """Flips a bit `offset` bytes after the start of a record."""
    raw = bytearray(path.read_bytes())
    place = 0
    for _ in range(record):
        place += 16 + struct.unpack_from("<Q", raw, place)[0]
    raw[place + offset] ^= 16
    path.write_bytes(raw)


# A record, and a byte of its length, the length's checksum or its payload.
PLACES = [(0, 0), (3, 5), (5, 9), (3, 12), (0, 900), (5, 900)]


@pytest.mark.parametrize("record, offset", PLACES)
def test_shard_and_record_are_named(folder, record, offset):
    flip(folder / SHARD, record, offset)
    with pytest.raises(ValueError) as caught:
        load_data(folder)
    message = str(caught.value)
    assert SHARD in message and "5 intact samples" in message
    assert f"sample {record} of the shard" in message


@pytest.mark.parametrize("record, offset", PLACES)
def test_skip_loses_exactly_that_sample(whole, folder, record, offset):
    flip(folder / SHARD, record, offset)
    before = load_data(whole)
    after = load_data(folder, batch_size=4, on_error="skip")
    expected = before.ids("train")
    lost = expected.pop(6 + record)
    assert after.ids("train") == expected
    assert after.skipped == {"train": 1, "validation": 0, "test": 0}
    assert after.counts == {"train": 17, "validation": 6, "test": 6}
    rows = [x["vector"][:, 1].numpy() for x, _, _ in after.train]
    seen = np.sort(np.concatenate(rows))
    assert seen.tolist() == sorted(1000 - int(n[1:]) for n in expected)
    assert lost not in expected


def test_samples_of_several_shards_are_counted(folder):
    for shard in ("train-00000.tfrecord", SHARD):
        for record in (1, 2):
            flip(folder / shard, record, 50)
    flip(folder / "test-00000.tfrecord", 0, 50)
    data = load_data(folder, on_error="skip")
    assert data.skipped == {"train": 4, "validation": 0, "test": 1}
    for split, count in data.counts.items():
        batches = [len(y["color"]) for _, y, _ in getattr(data, split)]
        assert sum(batches) == count == len(data.ids(split))


AFTER = [
    (lambda path: flip(path, 3, 12), "5 intact samples; damaged: sample 3"),
    (lambda path: path.write_bytes(path.read_bytes()[:900]), "it was cut"),
    (lambda path: path.write_bytes(b""), "0 intact samples in 0 bytes"),
    (lambda path: path.unlink(), "no file, 0 samples"),
    (lambda path: shutil.copy(path.with_name("train-00000.tfrecord"), path),
     "a copy of train-00000.tfrecord"),
]  # fmt: skip


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("damage, message", AFTER)
def test_damage_after_the_folder_was_opened_is_named(
    folder, damage, message, begun
):
    data = load_data(folder, batch_size=2, cache=False)
    batches = iter(data.train) if begun else data.train
    damage(folder / SHARD)
    with pytest.raises(ValueError, match=f"{SHARD}.*{message}"):
        for _ in batches:
            pass
        # A pass that had read the shard before the damage ends; no next one.
        list(data.train)
    with pytest.raises(ValueError, match=f"{SHARD}.*{message}"):
        data.ids("train")


def test_what_was_written_again_is_read(folder):
    data = load_data(folder, cache=False)
    (folder / SHARD).write_bytes((folder / SHARD).read_bytes())
    assert sum(len(y["color"]) for _, y, _ in data.train) == 18


@pytest.fixture
def numbers(tmp_path):
    """Two shards of numbers and their classes."""
    write_set(tmp_path / "root")
    others = {f"modalities__{n}": None for n in ("image", "audio", "text")}
    others |= {f"targets__{name}": None for name in ("tags", "size")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "mmkeras.data.ingest.plan.samples_per_shard", lambda spec: 6
        )
        prepare(make_spec(tmp_path / "root", **others), tmp_path / "out")
    return tmp_path / "out"


@pytest.mark.parametrize("ours", [True, False])
def test_a_training_that_meets_damage_names_the_shard(numbers, ours):
    """Within an epoch, or as a new one begins in Keras' own `fit`."""
    import keras

    from mmkeras.heads import Category
    from mmkeras.training import FullFineTune

    class Damage(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                flip(numbers / SHARD, 3, 12)

    data = load_data(numbers, batch_size=2, cache=False)
    x = keras.Input((2,), name="vector")
    y = keras.layers.Dense(3, "softmax", name="color")(x)
    model = keras.Model({"vector": x}, {"color": y})
    with pytest.raises(ValueError, match=f"{SHARD}.*damaged: sample 3"):
        if ours:
            FullFineTune(epochs=4, tensorboard=False).fit(
                model, data, {"color": Category(3)}, verbose=0,
                callbacks=[Damage()],
            )  # fmt: skip
        else:
            model.compile("adam", {"color": "sparse_categorical_crossentropy"})
            model.fit(data.train, epochs=4, verbose=0, shuffle=False,
                      callbacks=[Damage()])  # fmt: skip


def test_what_tensorflow_cannot_run_is_a_sentence(numbers, tmp_path):
    """Within an epoch, and no shard is to blame."""
    import keras
    import tensorflow as tf

    from mmkeras.heads import Category
    from mmkeras.training import FullFineTune, latest_checkpoint

    spoilt = tf.Variable(False)

    class Spoil(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            spoilt.assign(epoch == 1)

    def checked(x, y, weights):
        tf.debugging.assert_equal(spoilt, False, message="no such picture")
        return x, y, weights

    data = load_data(numbers, batch_size=2, cache=False)
    data.train = data.train.map(checked)
    x = keras.Input((2,), name="vector")
    y = keras.layers.Dense(3, "softmax", name="color")(x)
    with pytest.raises(ValueError) as error:
        FullFineTune(epochs=4, tensorboard=False, checkpoint_share=1.0).fit(
            keras.Model({"vector": x}, {"color": y}), data,
            {"color": Category(3)}, out=tmp_path / "run", verbose=0,
            callbacks=[Spoil()],
        )  # fmt: skip
    said = str(error.value)
    assert "Received: InvalidArgumentError: " in said
    assert "assertion failed: [no such picture]" in said
    assert "node" not in said and "\n" not in said and len(said) < 500
    kept = latest_checkpoint(tmp_path / "run" / "checkpoints")
    assert kept.name == "epoch-0001"


def test_memory_that_tensorflow_lacks_is_a_sentence():
    import tensorflow as tf

    from mmkeras.framework_errors import told

    with pytest.raises(tf.errors.ResourceExhaustedError) as error:
        tf.zeros((2**20, 2**30))
    found = told(error.value)
    assert isinstance(found, OSError)
    assert "shape[1048576,1073741824]" in str(found)
    assert "smaller `batch_size`" in str(found)


def test_a_cut_shard_is_no_flipped_bit(folder):
    raw = (folder / SHARD).read_bytes()
    (folder / SHARD).write_bytes(raw[:-7])
    with pytest.raises(ValueError, match="5 intact samples .*was cut"):
        load_data(folder, on_error="skip")
