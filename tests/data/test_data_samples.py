"""One row to one array: labels, vectors, noise, and every reason it fails."""

import numpy as np
import pandas as pd
import pytest
from data.data_toys import make_spec, write_set

from mmkeras.data.reasons import BadSample
from mmkeras.data.samples import Context, open_rows, read_modality
from mmkeras.data.targets import read_targets
from mmkeras.data.tokens import train_tokenizer


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    write_set(folder, 6)
    np.save(folder / "rows.npy", np.arange(12, dtype=np.int16).reshape(4, 3))
    return folder


def context(root, seed=0, **changes) -> Context:
    spec = make_spec(**changes)
    tokenizer = train_tokenizer(spec.modalities["text"], ["it looks black"])
    return Context(spec, str(root), root, seed, {"text": tokenizer})


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
    found = read_modality(context(root), name, row())
    assert (found.dtype, found.shape) == (dtype, shape)
    assert found.any()


@pytest.mark.parametrize(
    "name, cells, reason",
    [
        ("image", {"image": ""}, "missing"),
        ("image", {"image": "0.wav"}, "wrong_format"),
        ("audio", {"audio": "0.png"}, "wrong_format"),
        ("text", {"text": "  "}, "missing"),
        ("text", {"text": "\u0301\u0300"}, "empty"),
        ("vector", {"v1": "", "v2": ""}, "missing"),
        ("vector", {"v1": "nan", "v2": ""}, "missing"),
        ("vector", {"v1": "one"}, "not_a_number"),
        ("vector", {"v1": "-inf"}, "not_finite"),
        ("vector", {"v1": "1e300"}, "not_finite"),
    ],
)
def test_what_cannot_be_used_has_a_reason(root, name, cells, reason):
    with pytest.raises(BadSample) as caught:
        read_modality(context(root), name, row(**cells))
    assert caught.value.reason == reason


@pytest.mark.parametrize("index", ["4", "-1", "1.5", "x", "²"])
def test_a_row_that_is_not_there(root, index):
    with pytest.raises(BadSample, match="row_out_of_range"):
        read_modality(
            context(root, **rows_of_file()), "vector", row(index=index)
        )


def test_a_row_of_an_npy_file(root):
    found = read_modality(context(root, **rows_of_file()), "vector", row())
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
        open_rows(tmp_path, spec.modalities["vector"])


def test_a_cut_npy_file_is_refused(tmp_path):
    np.save(tmp_path / "rows.npy", np.zeros((4, 3)))
    raw = (tmp_path / "rows.npy").read_bytes()
    spec = make_spec(**rows_of_file())
    for cut in (raw[:-8], raw[:40], b""):
        (tmp_path / "rows.npy").write_bytes(cut)
        with pytest.raises(ValueError, match="must be an .npy file"):
            open_rows(tmp_path, spec.modalities["vector"])


NOISE = {
    "modalities__image__noise_std": 0.1,
    "modalities__audio__noise_snr_db": 20.0,
}


@pytest.mark.parametrize("name", ["image", "audio"])
def test_noise_follows_from_seed_and_sample_alone(root, name):
    clean = read_modality(context(root), name, row())
    first, again = (
        read_modality(context(root, **NOISE), name, row()) for _ in range(2)
    )
    seed = read_modality(context(root, seed=1, **NOISE), name, row())
    other = read_modality(context(root, **NOISE), name, {**row(), "id": "s1"})
    assert (first == again).all()
    for differs in (clean, seed, other):
        assert (first != differs).any()


def test_the_noise_has_the_level_of_the_spec(root):
    clean = read_modality(context(root), "audio", row())[:700] / 32768
    noisy = read_modality(context(root, **NOISE), "audio", row()) / 32768
    noise = np.square(noisy[:700] - clean).mean()
    ratio = 10 * np.log10(np.square(clean).mean() / noise)
    assert abs(ratio - 20) < 1
    assert noisy[700:].any(), "the padding has noise too"
    clean = read_modality(context(root), "image", row()).astype(float)
    spec = {"modalities__image__noise_std": 0.02}
    noisy = read_modality(context(root, **spec), "image", row())
    assert abs((noisy - clean)[clean > 20].std() - 5.1) < 1.5


def test_strong_noise_is_scaled_not_clipped(root):
    spec = {"modalities__audio__noise_snr_db": -50.0}
    noisy = read_modality(context(root, **spec), "audio", row())
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
