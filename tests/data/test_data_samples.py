"""One row to one array: labels, vectors, noise, and every reason it fails."""

import numpy as np
import pandas as pd
import pytest
from data.data_toys import learn_tokenizer, make_spec, write_set

from mmkeras.data import BadSample, SampleIO, SampleReader, read_targets


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    write_set(folder, 6)
    np.save(folder / "rows.npy", np.arange(12, dtype=np.int16).reshape(4, 3))
    return folder


def reader(root, seed=0, **changes) -> SampleReader:
    spec = make_spec(**changes)
    tokenizer = learn_tokenizer(spec.modalities["text"], ["it looks black"])
    return SampleReader(spec, str(root), seed, {"text": tokenizer})


def row(**cells) -> dict:
    there = {"image": "0.png", "audio": "0.wav", "text": "it looks", "v1": "1",
             "v2": "2", "index": "2"}  # fmt: skip
    return {"id": "s0", "cells": {**there, **cells}}


def rows_of_file(**changes) -> dict:
    table = {"kind": "vector", "file": "rows.npy", "column": "index",
             "size": 3}  # fmt: skip
    return {"modalities__vector": {**table, **changes}}


@pytest.mark.parametrize(
    "name, dtype, shape",
    [
        ("image", np.uint8, (8, 6, 1)),
        ("audio", np.int16, (800,)),
        ("text", np.int32, (12,)),
        ("vector", np.float32, (2,)),
    ],
)
def test_each_kind_has_its_shape(root, name, dtype, shape):
    found = reader(root).read(name, row()).value
    assert (found.dtype, found.shape) == (dtype, shape)
    assert found.any()


@pytest.mark.parametrize(
    "name, cells, reason",
    [
        ("image", {"image": ""}, "missing"),
        ("image", {"image": "0.wav"}, "wrong_format"),
        ("audio", {"audio": "0.png"}, "wrong_format"),
        ("text", {"text": "  "}, "missing"),
        ("text", {"text": "\u00ad\u200b"}, "empty"),
        ("vector", {"v1": "", "v2": ""}, "missing"),
        ("vector", {"v1": "nan", "v2": ""}, "missing"),
        ("vector", {"v1": "one"}, "not_a_number"),
        ("vector", {"v1": "-inf"}, "not_finite"),
        ("vector", {"v1": "1e300"}, "not_finite"),
    ],
)
def test_what_cannot_be_used_has_a_reason(root, name, cells, reason):
    with pytest.raises(BadSample) as caught:
        reader(root).read(name, row(**cells)).value
    assert caught.value.reason == reason


@pytest.mark.parametrize("index", ["4", "-1", "1.5", "x", "²"])
def test_a_row_that_is_not_there(root, index):
    with pytest.raises(BadSample, match="row_out_of_range"):
        reader(root, **rows_of_file()).read("vector", row(index=index)).value


def test_a_row_of_an_npy_file(root):
    found = reader(root, **rows_of_file()).read("vector", row()).value
    assert found.tolist() == [6, 7, 8] and found.dtype == np.float32


@pytest.mark.parametrize(
    "array, message",
    [
        (np.zeros((4, 2)), r"shape \(4, 2\)"),
        (np.zeros(3), "shape"),
        (np.zeros((4, 3), complex), "complex"),
        (np.asfortranarray(np.zeros((4, 3))), "C order"),
        (np.array([[None] * 3] * 4), "object"),
    ],
)
def test_an_npy_file_of_another_kind_is_refused(tmp_path, array, message):
    np.save(tmp_path / "rows.npy", array, allow_pickle=True)
    spec = make_spec(**rows_of_file())
    with pytest.raises(ValueError, match=message):
        spec.modalities["vector"].check(SampleIO(str(tmp_path)))


def test_a_cut_npy_file_is_refused(tmp_path):
    np.save(tmp_path / "rows.npy", np.zeros((4, 3)))
    raw = (tmp_path / "rows.npy").read_bytes()
    spec = make_spec(**rows_of_file())
    for cut in (raw[:-8], raw[:40], b""):
        (tmp_path / "rows.npy").write_bytes(cut)
        with pytest.raises(ValueError, match="must be an .npy file"):
            spec.modalities["vector"].check(SampleIO(str(tmp_path)))


NOISE = {
    "modalities__image__noise_std": 0.1,
    "modalities__audio__noise_snr_db": 20.0,
}


@pytest.mark.parametrize("name", ["image", "audio"])
def test_noise_follows_from_seed_and_sample_alone(root, name):
    clean = reader(root).read(name, row()).value
    first, again = (
        reader(root, **NOISE).read(name, row()).value for _ in range(2)
    )
    seed = reader(root, seed=1, **NOISE).read(name, row()).value
    other = reader(root, **NOISE).read(name, {**row(), "id": "s1"}).value
    assert (first == again).all()
    for differs in (clean, seed, other):
        assert (first != differs).any()


def test_the_noise_has_the_level_of_the_spec(root):
    clean = reader(root).read("audio", row()).value[:700] / 32768
    noisy = reader(root, **NOISE).read("audio", row()).value / 32768
    noise = np.square(noisy[:700] - clean).mean()
    ratio = 10 * np.log10(np.square(clean).mean() / noise)
    assert abs(ratio - 20) < 1
    assert noisy[700:].any(), "the padding has noise too"
    clean = reader(root).read("image", row()).value.astype(float)
    spec = {"modalities__image__noise_std": 0.02}
    noisy = reader(root, **spec).read("image", row()).value
    assert abs((noisy - clean)[clean > 20].std() - 5.1) < 1.5


def test_strong_noise_is_scaled_not_clipped(root):
    spec = {"modalities__audio__noise_snr_db": -50.0}
    noisy = reader(root, **spec).read("audio", row()).value
    assert (np.abs(noisy.astype(int)) >= 32767).sum() == 1


def test_labels_become_numbers_and_gaps_weigh_nothing():
    spec = make_spec()
    table = pd.DataFrame(
        {
            "color": ["white", "", "pink"],
            "tags": ["black| white", "", "black|pink"],
            "size": ["-1.5", "", "inf"],
        }
    )
    values, weights, bad = read_targets(spec, table)
    assert values["color"].tolist() == [2, 0, 0]
    assert values["tags"].tolist() == [[1, 0, 1], [0, 0, 0], [0, 0, 0]]
    assert values["size"].tolist() == [-1.5, 0, 0]
    for weight in weights.values():
        assert weight.tolist() == [1, 0, 0]
    assert [(index, name, reason) for index, name, reason, _ in bad] == [
        (2, "color", "unknown_class"),
        (2, "tags", "unknown_class"),
        (2, "size", "not_finite"),
    ]
