"""Samples, scores and the drop that fails an export."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from export.export_toys import ToyData, toy_inputs, toy_run

from mmkeras.export import (
    Candidate,
    Card,
    Comparison,
    FileFigures,
    Measured,
    Measurement,
    SampleCounts,
    calibration,
    card_table,
    failures,
    latencies_ms,
    open_file,
    scenarios,
    take,
)


def batches(count, size=4):
    x = {"a": np.arange(count), "more": np.arange(count)}
    return [
        ({k: v[i : i + size] for k, v in x.items()},
         {"t": -x["a"][i : i + size]},
         {"t": np.ones(len(x["a"][i : i + size]))})
        for i in range(0, count, size)
    ]  # fmt: skip


@pytest.mark.parametrize(
    "count, total, expected",
    [
        (3, None, [0, 1, 2]),
        (100, 10, list(range(10))),
        (3, 10, [0, 3, 6]),
        (4, 10, [0, 2, 5, 7]),
        # Nearly all: the rest is not one run at the end.
        (7, 10, [0, 1, 2, 4, 5, 7, 8]),
    ],
)
def test_samples_are_taken_evenly(count, total, expected):
    spec = SimpleNamespace(modalities=["a"], optional=())
    groups = [f"speaker {i}" for i in range(10)]
    found = take(batches(10), spec, count, total, groups)
    assert list(found.x) == ["a"] and found.x["a"].tolist() == expected
    assert found.labels["t"].tolist() == [-i for i in expected]
    assert len(found.weights["t"]) == len(expected)
    assert found.groups == [groups[i] for i in expected]


def test_calibration_lacks_each_optional_modality_in_turn():
    data = ToyData(toy_run().model, toy_run().data.folder)
    x = calibration(data.train, toy_run().spec, 64)
    absent = x["present"] == 0
    assert len(x["image"]) == 64
    for column, name in enumerate(("audio", "text")):
        rows = np.arange(64) % 16 == 8 * column + 7
        assert absent[rows, column].all()
        assert not x[name][rows].any()
    # The batches of the data set itself are as they were.
    again = take(data.train, toy_run().spec, 64)[0]
    assert again["audio"][7].any() or not again["present"][7, 0]


def test_scenarios_take_one_modality_away():
    x = toy_inputs(6, 0)
    found = dict(scenarios(x, ("audio", "text")))
    assert list(found) == ["all", "without audio", "without text"]
    assert found["all"] is x
    assert not found["without text"]["text"].any()
    assert not found["without text"]["present"][:, 1].any()
    np.testing.assert_array_equal(found["without text"]["audio"], x["audio"])
    np.testing.assert_array_equal(
        found["without text"]["present"][:, 0], x["present"][:, 0]
    )


FLOAT, INT8 = "tflite float32", "tflite int8"


def compared(after, metric="accuracy", **more):
    """One target, of which int8 keeps `after` of 0.95."""
    return Comparison(
        metric,
        Measurement({metric: 0.95}),
        {
            FLOAT: Measurement({metric: 0.949}),
            INT8: Measurement({metric: after}, **more),
        },
    )


def measured(after, **scenarios):
    """A float file and an int8 one, and what was measured of them."""
    files = {
        FLOAT: FileFigures(1, 0.1, "tflite", "float32"),
        INT8: FileFigures(1, 0.1, "tflite", "int8"),
    }
    everything = {"all": {"digit": compared(after)}, **scenarios}
    return Measured(files, everything)


def test_a_drop_within_the_limit_passes():
    assert failures(measured(0.941), (FLOAT, INT8), 0.01) == []


def test_a_drop_above_the_limit_is_spelled_out():
    assert failures(measured(0.912), (FLOAT, INT8), 0.01) == [
        "accuracy of `digit` must not drop by more than 0.01. Received: "
        "Keras 0.9500, float32 0.9490, tflite int8 0.9120: a drop of 0.0380"
    ]
    assert failures(measured(0.912), (FLOAT,), 0.01) == []


@pytest.mark.parametrize("low, fails", [(0.005, False), (0.02, True)])
def test_with_a_modality_absent_the_drop_has_to_be_sure(low, fails):
    worse = {"digit": compared(0.9, drop_interval=(low, 0.08))}
    both = measured(0.941, **{"without audio": worse})
    found = failures(both, (FLOAT, INT8), 0.01)
    assert bool(found) == fails
    if fails:
        assert "`digit` without audio must not drop" in found[0]
        assert "0.0500, 95 % within 0.0200 to 0.0800" in found[0]


def test_the_worst_drop_is_told_with_what_is_allowed():
    worse = {"digit": compared(0.91, drop_interval=(-0.005, 0.08))}
    both = measured(0.941, **{"without audio": worse})
    told = card_table(Card(both, 0.01, SampleCounts(3, 3)))
    assert (
        "tflite int8 loses most of `digit`, without audio: 0.0400 (95 % "
        "-0.0050 +0.0800); allowed are 0.01 for sure, as one is absent"
    ) in told
    alone = card_table(Card(measured(0.941), 0.01, SampleCounts(3, 3)))
    assert "`digit`, all: 0.0090; allowed are 0.01" in alone


def test_a_target_without_labels_is_shown_and_passes():
    nothing = Measurement({})
    unlabelled = Comparison(
        "accuracy", nothing, {FLOAT: nothing, INT8: nothing}
    )
    both = Measured(measured(0.9).files, {"all": {"digit": unlabelled}})
    assert failures(both, (FLOAT, INT8), 0.01) == []
    assert " - " in card_table(Card(both, 0.01, SampleCounts(3, 3)))


def test_a_card_is_read_as_it_was_written():
    absent = {"digit": compared(0.9, drop_interval=(0.1, 0.2), agreement=0.9)}
    card = Card(
        measured(0.941, **{"without audio": absent}),
        0.01,
        SampleCounts(3, 3, 8),
        recipes={
            "int8-heavy": Candidate(1, 0.1, 0.0, True),
            "int8-full": Candidate(refused="a loop"),
        },
        recipe="int8-heavy",
    )
    entry = json.loads(json.dumps(card.to_dict()))
    assert Card.from_dict(entry) == card
    assert entry["recipes"]["int8-full"] == {"refused": "a loop"}
    assert entry["scenarios"]["all"]["digit"][INT8] == {"accuracy": 0.941}
    with pytest.raises(ValueError, match="card must hold"):
        Card.from_dict({"files": {}})


def test_a_card_of_an_older_bundle_is_read():
    """Its files say neither format nor recipe; its candidates are files."""
    card = Card(measured(0.941), 0.01, SampleCounts(3, 3))
    entry = card.to_dict()
    for file in entry["files"].values():
        del file["format"], file["recipe"]
    entry["files"]["tflite int8-full"] = {"bytes": 1, "latency_ms": 0.1}
    compared = entry["scenarios"]["all"]["digit"]
    compared["tflite int8-full"] = {"accuracy": 0.9, "agreement": None}
    assert "tflite int8-full" in card_table(Card.from_dict(entry))


def test_files_take_turns():
    calls = []
    runs = {name: lambda x, name=name: calls.append(name) for name in "ab"}
    found = latencies_ms(runs, {"x": np.zeros((2, 3))}, budget_sec=0)
    assert calls == ["a", "b"] * (len(calls) // 2) and len(calls) == 32
    assert set(found) == {"a", "b"}


@pytest.mark.parametrize("name", ["m.tflite", "m.onnx"])
def test_a_file_of_another_kind_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"neither of them" * 100)
    with pytest.raises(ValueError, match=f"{name}.*can open"):
        open_file(tmp_path / name)
