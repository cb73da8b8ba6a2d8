"""Fault 42: figures that mislead are said to, in evaluate and in the report."""

import json

import numpy as np
import pytest

from mmkeras.cli import main
from mmkeras.data import prepare
from mmkeras.evaluation import cautions, evaluate
from mmkeras.spec import DataSpec

CLASSES = ["ash", "elm", "oak"]
RECIPE = """
[towers.left]
units = 8

[fusion]
method = "concat"
units = 8

[training]
epochs = 4
batch_size = 16
learning_rate = 0.05
tensorboard = false
checkpoints = 0
"""


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """Labels follow from the input, but in the test split by chance alone."""
    folder = tmp_path_factory.mktemp("misleading")
    draw = np.random.default_rng(0)
    rows = ["a,b,kind,size,part"]
    for part, count in (("train", 160), ("validation", 60), ("test", 60)):
        for _ in range(count):
            a, b = draw.normal(size=2)
            kind = CLASSES[int(a > 0)]
            if part == "test":
                kind = draw.choice(CLASSES)
            size = "" if part == "test" else f"{a - b:.3f}"
            rows.append(f"{a:.4f},{b:.4f},{kind},{size},{part}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    spec = DataSpec.from_dict(
        {
            "name": "misleading",
            "data": {"root": str(folder)},
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
    prepare(spec, folder / "data", workers=1)
    recipe, run = folder / "recipe.toml", folder / "run"
    recipe.write_text(RECIPE)
    arguments = [str(folder / "data"), "--model", str(recipe)]
    assert main(["train", *arguments, "--out", str(run)]) == 0
    return run


def test_evaluate_says_what_makes_its_figures_misleading(evaluated, capsys):
    assert main(["evaluate", str(evaluated)]) == 0
    said = capsys.readouterr().out
    page = (evaluated / "evaluation" / "report.html").read_text()
    path = evaluated / "evaluation" / "evaluation.json"
    found = json.loads(path.read_text())["cautions"]
    starts = [
        "`kind`: no training sample has the class 'oak'",
        "`kind`: accuracy is 0.9",
        "`size`: no sample of this split has a label",
    ]
    assert len(found) == len(starts)
    for sentence, start in zip(found, starts, strict=True):
        assert sentence.startswith(start)
        assert f"caution: {start}" in said.replace("\n", " ")
    assert page.count("<li>") >= len(starts)
    assert "no training sample has the class" in page


class Answers:
    """A model whose answers are its input."""

    input, output = {"x": None}, {"kind": None}

    def predict_on_batch(self, x):
        return {"kind": np.asarray(x["x"])}


def category():
    from mmkeras.spec import TARGETS

    kind = TARGETS.known["category"]
    return kind(kind="category", column="c", classes=CLASSES)


def batches(seed, right):
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 3, 200)
    answers = np.where(draw.random(200) < right, labels, (labels + 1) % 3)
    x = {"x": np.eye(3)[answers] * 0.8 + 0.2 / 3}
    return [(x, {"kind": labels}, {"kind": np.ones(200)})]


@pytest.mark.parametrize(
    ("groups", "told"),
    [
        ([f"speaker {i % 2}" for i in range(200)], "has 2 groups of `speaker`"),
        (["theo"] * 200, "has 1 group of `speaker`"),
        (None, "was prepared before it held the groups of `speaker`"),
        ([f"speaker {i % 8}" for i in range(200)], None),
    ],
)
def test_samples_of_few_people_are_told(groups, told):
    target = category()
    result = evaluate(Answers(), batches(2, 0.8), {"kind": target},
                      groups=groups, resamples=50)  # fmt: skip
    found = cautions({**result, "group": "speaker"}, {"kind": target})
    assert len(found) == (told is not None)
    assert told is None or told in found[0]


@pytest.mark.parametrize(
    ("validation", "test", "said"),
    [
        (0.95, 0.60, True),
        (0.90, 0.88, False),  # Chance makes as much.
        (0.60, 0.95, False),  # No reason for doubt in the test split.
    ],
)
def test_only_a_validation_far_above_test_is_said(validation, test, said):
    from mmkeras.evaluation import predict

    target, model, held = category(), Answers(), batches(1, validation)
    result = evaluate(model, batches(2, test), {"kind": target})
    found = cautions(
        result,
        {"kind": target},
        {"kind": {"counts": dict.fromkeys(CLASSES, 9)}},
        predict(model, held),
    )
    assert bool(found) is said
    assert not said or "more apart than chance makes them" in found[0]
