"""A test split without labels, as a competition has: answers, no figures."""

import csv
import json

import numpy as np
import pytest
from target_toys import KEYS, problem, target_of

from mmkeras.cli import main
from mmkeras.data import SampleIO, prepare, read_label
from mmkeras.evaluation import prediction_rows
from mmkeras.spec import DataSpec

CLASSES = ["ash", "elm", "oak"]
RECIPE = """
[towers.left]
units = 8

[fusion]
method = "concat"
units = 8

[training]
epochs = 1
batch_size = 32
tensorboard = false
checkpoints = 0
"""


def prepared(folder):
    """Prepares a small table whose test rows have no label."""
    random = np.random.default_rng(0)
    lines = ["name,a,b,kind,size,part"]
    for row in range(120):
        part = ("train", "validation", "test")[max(0, row - 90) // 10]
        a, b = random.normal(size=2)
        labels = f"{CLASSES[row % 3]},{a + b:.3f}" if part != "test" else ","
        lines.append(f"r{row},{a:.4f},{b:.4f},{labels},{part}")
    folder.mkdir()
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    spec = DataSpec.from_dict(
        {
            "name": "contest",
            "data": {"root": str(folder), "id_column": "name"},
            "split": {"method": "column", "column": "part"},
            "modalities": {"left": {"kind": "vector", "columns": ["a", "b"]}},
            "targets": {
                "kind": {
                    "kind": "category", "column": "kind", "classes": CLASSES,
                },
                "size": {"kind": "number", "column": "size"},
            },
        }
    )  # fmt: skip
    return prepare(spec, folder / "data", workers=1)


def test_evaluate_writes_answers_and_says_that_nothing_is_measured(
    tmp_path, capsys
):
    found = prepared(tmp_path / "raw")
    assert found["splits"]["test"]["count"] == 10
    recipe, run = tmp_path / "recipe.toml", tmp_path / "run"
    recipe.write_text(RECIPE)
    data = str(tmp_path / "raw" / "data")
    assert main(["train", data, "--model", str(recipe), "--out", str(run)]) == 0
    assert main(["evaluate", str(run)]) == 0
    said = capsys.readouterr().out
    assert "kind: accuracy is not defined on this split" in said
    assert "size: mae is not defined on this split" in said
    with open(run / "evaluation" / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [f"r{n}" for n in range(110, 120)]
    assert {row["kind"] for row in rows} <= {*CLASSES}
    chances = [sum(float(row[f"kind/{c}"]) for c in CLASSES) for row in rows]
    np.testing.assert_allclose(chances, 1, atol=1e-5)
    assert all(np.isfinite(float(row["size"])) for row in rows)
    assert not any(row["kind/label"] or row["size/label"] for row in rows)
    manifest = json.loads((run / "evaluation/manifest.json").read_text())
    assert "predictions.csv" in manifest["files"]


def read_back(target, cells):
    if not target.read_with_sample:
        return target.encode(cells)
    io = SampleIO(".", learned={})
    found = [read_label(target, {"y": cell}, io, {}) for cell in cells]
    parts = [[getattr(one, n) for one in found] for n in ("value", "weight")]
    return *map(np.array, parts), []


@pytest.mark.parametrize("kind", KEYS)
def test_an_answer_is_written_as_a_manifest_holds_it(kind):
    target = target_of(kind)
    labels, outputs, weights = problem(kind)
    predicted = {"y": outputs}, {"y": labels}, {"y": weights}
    rows = prediction_rows({"y": target}, predicted, range(len(labels)))
    known = (weights > 0).reshape(len(weights), -1).any(axis=1)
    if target.learns_unlabelled:
        known &= labels != target.unlabelled
    assert [bool(row["y/label"]) for row in rows] == known.tolist()
    if kind == "boxes":
        # They are read with a picture; see test_data_boxes.py.
        assert rows[0]["y"].count(":") == rows[0]["y"].count(",") / 3
        return
    if kind == "tags":
        # Read with their text, which alone knows characters: in tokens here.
        spans = json.loads(rows[1]["y/label"])
        ends = [(span["first_token"], span["last_token"]) for span in spans]
        tagged = {t for first, last in ends for t in range(first, last + 1)}
        assert tagged == {*np.flatnonzero(labels[1])}
        return
    if kind == "mask":
        # A cell has no room for one: it tells how much is of each class.
        shares = json.loads(rows[0]["y"])
        assert {*shares} <= {*target.classes}
        assert all(0 < share <= 1 for share in shares.values())
        return
    if kind == "embedding":
        assert json.loads(rows[0]["y"]) == pytest.approx(outputs[0].tolist())
        return
    # The cells of answers and of labels read as what they were.
    for key, expected in (("y/label", labels), ("y", None)):
        values, read, bad = read_back(target, [row[key] for row in rows])
        assert not bad
        if expected is not None:
            there = read > 0
            np.testing.assert_array_equal(there, weights > 0)
            np.testing.assert_allclose(values[there], expected[there], 1e-6)
