"""Records written without TensorFlow are TensorFlow's own."""

import numpy as np
import pytest
import tensorflow as tf

from mmkeras.data import intact_records, write_records
from mmkeras.data.files import example_record

RANDOM = np.random.default_rng(0)
PAYLOADS = [RANDOM.bytes(n) for n in (0, 1, 127, 128, 300, 70_000)]


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_384, 3_000_000])
def test_an_example_parses_as_protocol_buffer(size):
    value = RANDOM.bytes(size)
    raw = example_record({"b/é": value, "a": b"x"})
    found = tf.train.Example.FromString(raw).features.feature
    assert found["b/é"].bytes_list.value == [value]
    assert found["a"].bytes_list.value == [b"x"]
    assert len(found) == 2


def test_tensorflow_reads_the_file(tmp_path):
    write_records(tmp_path / "a.tfrecord", PAYLOADS)
    found = tf.data.TFRecordDataset(str(tmp_path / "a.tfrecord"))
    assert [record.numpy() for record in found] == PAYLOADS


def test_a_whole_file_has_no_damage(tmp_path):
    write_records(tmp_path / "a.tfrecord", PAYLOADS)
    assert intact_records(tmp_path / "a.tfrecord") == (PAYLOADS, [])


@pytest.mark.parametrize("where", ["length", "crc", "payload", "last"])
def test_one_flipped_bit_costs_one_record(tmp_path, where):
    path = tmp_path / "a.tfrecord"
    write_records(path, PAYLOADS)
    raw = bytearray(path.read_bytes())
    starts = np.cumsum([0] + [len(p) + 16 for p in PAYLOADS])
    place = {
        "length": starts[2] + 3,
        "crc": starts[2] + 9,
        "payload": starts[2] + 50,
        "last": len(raw) - 1,
    }[where]
    raw[place] ^= 4
    path.write_bytes(raw)
    index = 5 if where == "last" else 2
    kept = PAYLOADS[:index] + PAYLOADS[index + 1 :]
    assert intact_records(path) == (kept, [index])


def test_a_cut_file_shows_its_last_record_as_damaged(tmp_path):
    path = tmp_path / "a.tfrecord"
    write_records(path, PAYLOADS)
    path.write_bytes(path.read_bytes()[:-10])
    assert intact_records(path) == (PAYLOADS[:-1], [5])


def test_tensorflow_reads_a_packed_file(tmp_path):
    path = tmp_path / "a.tfrecord"
    places = write_records(path, PAYLOADS * 3, "gzip")
    found = tf.data.TFRecordDataset(str(path), "GZIP")
    assert [record.numpy() for record in found] == PAYLOADS * 3
    assert intact_records(path) == (PAYLOADS * 3, [])
    # Members of some 64 KiB: the large record ends one.
    assert [place for *_, place in places] == [*range(6), *range(6), *range(6)]
    assert len({offset for offset, *_ in places}) == 3


def test_a_flipped_bit_of_a_packed_file_costs_one_member(tmp_path):
    path = tmp_path / "a.tfrecord"
    places = write_records(path, PAYLOADS * 3, "gzip")
    raw = bytearray(path.read_bytes())
    raw[places[6][0] + 50] ^= 4
    path.write_bytes(raw)
    kept, damaged = intact_records(path)
    assert kept == PAYLOADS * 2 and len(damaged) == 1
