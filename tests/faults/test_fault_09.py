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


def test_a_cut_shard_is_no_flipped_bit(folder):
    raw = (folder / SHARD).read_bytes()
    (folder / SHARD).write_bytes(raw[:-7])
    with pytest.raises(ValueError, match="5 intact samples .*was cut"):
        load_data(folder, on_error="skip")
