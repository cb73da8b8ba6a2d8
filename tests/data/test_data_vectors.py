"""Tables with gaps and categories, from the manifest to a batch."""

import csv

import numpy as np
import pytest

from mmkeras import check_kind
from mmkeras.data import (
    BadSample,
    SampleIO,
    load_data,
    merge_sums,
    prepare,
)
from mmkeras.kinds import Vector
from mmkeras.spec import DataSpec, Learned

NAN = np.nan
TABLE = {"kind": "vector", "columns": ["age", "mass"],
         "categorical": ["town", "job"]}  # fmt: skip


def make_spec(root=".", **changes) -> DataSpec:
    return DataSpec.from_dict(
        {
            "name": "people",
            "data": {"root": str(root), "id_column": "id"},
            "split": {"method": "column", "column": "part"},
            "modalities": {"table": {**TABLE, **changes}},
            "targets": {
                "ill": {"kind": "category", "column": "ill",
                        "classes": ["no", "yes"]},
            },
        }
    )  # fmt: skip


def row(**cells) -> dict:
    there = {"age": "41", "mass": "70.5", "town": "Rome", "job": "cook"}
    return {"id": "1", "cells": {**there, **cells}}


def read(spec=None, **cells):
    facts = {"town": ["Rome", "Oslo, Norway"], "job": ["cook"]}
    modality = (spec or make_spec()).modalities["table"]
    known = modality.open_learned(Learned({"categories": facts}))
    io = SampleIO(".", learned=known)
    return modality.read(row(**cells)["cells"], io).value


@pytest.mark.parametrize(
    "cells, expected",
    [
        ({}, [41, 70.5, 2, 2]),
        ({"age": "", "job": ""}, [NAN, 70.5, 2, 0]),
        ({"age": " NaN ", "mass": "nan"}, [NAN, NAN, 2, 2]),
        ({"town": "Paris", "job": "nan"}, [41, 70.5, 1, 1]),
        ({"town": " Oslo, Norway ", "mass": "-1e3"}, [41, -1000, 3, 2]),
        ({"age": "", "mass": "", "town": "", "job": "?"}, [NAN, NAN, 0, 1]),
    ],
)
def test_numbers_then_indices(cells, expected):
    found = read(**cells)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.float32(expected))


@pytest.mark.parametrize(
    "cells, reason",
    [
        ({"age": "", "mass": "nan", "town": " ", "job": ""}, "missing"),
        ({"age": "old"}, "not_a_number"),
        ({"mass": "inf"}, "not_finite"),
        ({"mass": "1e39"}, "not_finite"),
    ],
)
def test_what_cannot_be_used_has_a_reason(cells, reason):
    with pytest.raises(BadSample) as caught:
        read(**cells)
    assert caught.value.reason == reason


def test_a_row_of_a_file_may_have_gaps(tmp_path):
    np.save(tmp_path / "rows.npy", np.array([[1, NAN], [NAN, NAN]]))
    rows = {"kind": "vector", "file": "rows.npy", "column": "age", "size": 2,
            "columns": [], "categorical": []}  # fmt: skip
    modality, io = make_spec(**rows).modalities["table"], SampleIO(tmp_path)
    found = modality.read({"age": "0"}, io).value
    np.testing.assert_array_equal(found, np.float32([1, NAN]))
    with pytest.raises(BadSample, match="missing"):
        modality.read({"age": "1"}, io)


def test_known_categories_occur_twice_the_most_frequent_first():
    cells = {
        "town": ["Rome", "Oslo", " Rome", "Bonn", "Oslo", "Rome", "", ""],
        "job": ["a", "b", "c"],
    }
    learned = make_spec().modalities["table"].learn(cells, None)
    assert learned.facts == {
        "categories": {"town": ["Rome", "Oslo"], "job": []}
    }


@pytest.mark.parametrize("parts", [1, 2, 9])
def test_statistics_are_those_of_the_known_numbers(parts):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 4)) + [0, 1e6, 2, 2]
    rows[rng.random((40, 4)) < 0.4] = NAN
    rows[:20, 0] = NAN  # a part without a known cell
    rows = rows.astype(np.float32)
    table, merged = make_spec().modalities["table"], None
    for part in np.array_split(rows, parts):
        sums = None
        for one in part:
            sums = merge_sums(sums, table.sums(one))
        merged = merge_sums(merged, sums)
    found = table.finish(merged)
    wanted = rows[:, :2].astype(np.float64)
    np.testing.assert_allclose(found["mean"], np.nanmean(wanted, 0), rtol=1e-9)
    np.testing.assert_allclose(
        found["variance"], np.nanvar(wanted, 0), rtol=1e-7
    )


def test_a_column_never_known_has_neutral_statistics():
    table = make_spec().modalities["table"]
    found = table.finish(table.sums(np.float32([NAN, 3, 2, 2])))
    assert found == {"mean": [0.0, 3.0], "variance": [1.0, 0.0]}


PEOPLE = [
    ("1", "50", "", "Rome", "cook", "yes", "train"),
    ("2", "30", "60", "Rome", "smith", "no", "train"),
    ("3", "", "80", "Oslo", "smith", "no", "train"),
    ("4", "", "", "", "", "yes", "train"),
    ("5", "40", "70", "Oslo", "", "yes", "test"),
    ("6", "20", "nan", "Rome", "queen", "no", "test"),
]


@pytest.fixture
def people(tmp_path):
    header = ("id", "age", "mass", "town", "job", "ill", "part")
    with open(tmp_path / "manifest.csv", "w", newline="") as file:
        csv.writer(file).writerows([header, *PEOPLE])
    return make_spec(tmp_path, optional=True)


@pytest.mark.parametrize("workers", [1, 2])
def test_prepare_and_load(people, tmp_path, workers):
    found = prepare(people, tmp_path / "out", workers=workers)
    assert found["statistics"]["modalities"]["table"] == {
        "mean": [40.0, 70.0],
        "variance": [100.0, 100.0],
        "categories": {"town": ["Rome"], "job": ["smith"]},
    }
    data = load_data(tmp_path / "out", batch_size=2)
    ((x, _, _),) = data.test
    np.testing.assert_array_equal(
        x["table"], np.float32([[40, 70, 1, 0], [20, NAN, 2, 1]])
    )
    (first, _, _), (second, _, _) = data.ordered("train")
    np.testing.assert_array_equal(first["table"][0], [50, NAN, 2, 1])
    np.testing.assert_array_equal(second["present"], [[1], [0]])


def test_the_categories_of_the_test_split_are_not_seen(people, tmp_path):
    found = prepare(people, tmp_path / "out", workers=1)
    assert "queen" not in str(found["statistics"])


AGES = [*map(str, range(1, 100)), "1e30", ""]
# Quantiles 0.01 and 0.99 of the hundred numbers.
LOW, HIGH = 1.99, 99 + 0.01 * (1e30 - 99)


def bounded(outliers, high=0.99, **changes):
    vector = make_spec(
        outliers=outliers, outlier_quantiles=[0.01, high], **changes
    ).modalities["table"]
    cells = {"age": AGES, "mass": [""] * 101, "town": ["Rome"] * 101,
             "job": ["x"] * 101}  # fmt: skip
    known = vector.open_learned(vector.learn(cells, SampleIO(".")))
    return vector, SampleIO(".", learned=known)


@pytest.mark.parametrize(
    "outliers, age, mass, expected, notes",
    [
        ("keep", "1e30", "70", [1e30, 70], {}),
        ("clip", "-5", "70", [LOW, 70], {"outliers_clipped": 1}),
        ("clip", "1e35", "", [HIGH, NAN], {"outliers_clipped": 1}),
        ("clip", "50", "1e9", [50, 1e9], {}),  # no number, no bounds
        ("mask", "-5", "70", [NAN, 70], {"outliers_masked": 1}),
        ("mask", "50", "", [50, NAN], {}),
    ],
)
def test_outliers_are_clipped_or_missing_and_counted(
    outliers, age, mass, expected, notes
):
    vector, io = bounded(outliers)
    found = vector.read(row(age=age, mass=mass)["cells"], io)
    np.testing.assert_array_equal(found.value[:2], np.float32(expected))
    assert {k: n for k, n in found.notes.items() if "out" in k} == notes


def test_a_row_of_nothing_but_outliers_is_missing():
    vector, io = bounded("mask", categorical=[])
    with pytest.raises(BadSample, match="missing"):
        vector.read(row(age="-5", mass="")["cells"], io)


@pytest.mark.parametrize("outliers", ["clip", "mask"])
def test_the_device_bounds_numbers_as_prepare_does(outliers, tmp_path):
    vector = make_spec(
        outliers=outliers, outlier_quantiles=[0.05, 0.95]
    ).modalities["table"]
    rows = [
        row(age=f"{i * i}", mass=f"{-i}" if i % 3 else "", job="xy"[i % 2])
        for i in range(21)
    ]
    rows = [one["cells"] for one in rows]
    found = check_kind(vector, rows, tmp_path, skip=("tower",))
    assert found["device"] == "kept" and "broken" not in found.values()


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"outlier_quantiles": [0.9, 0.1]}, "must rise.*0.9, 0.1"),
        ({"outliers": "drop"}, "'keep', 'clip' or 'mask'.*'drop'"),
        (
            {"columns": [], "outliers": "clip"},
            "`outliers` must be left out where there are no `columns`",
        ),
    ],
)
def test_wrong_bounds_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        make_spec(**changes)


def test_the_example_of_a_row_has_a_cell_for_each_column():
    """The command that an export prints is read by the runner as it stands."""
    names = tuple(f"v{i}" for i in range(73))
    wide = Vector(kind="vector", columns=names)
    assert wide.example == ",".join(str(i) for i in range(1, 74))
    mixed = Vector(kind="vector", columns=("a",), categorical=("b", "c"))
    assert mixed.example == "1,CATEGORY,CATEGORY"
