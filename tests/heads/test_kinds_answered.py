"""What the bundle says of each kind of target, and how the runner answers."""

import json

import numpy as np
import pytest
from export.export_toys import device_code, reader
from heads_toys import SPEC

from mmkeras.export import bundle
from mmkeras.spec import DataSpec


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    class Told(device_code().load("runner").Runner):
        """A runner whose model says what it is told."""

        def __init__(self, outputs, readers):
            self.outputs, self.readers = outputs, readers
            self.inputs, self.sampling = {}, {}

        def predict(self, inputs):
            return inputs

    targets = dict(sorted(DataSpec.from_dict(SPEC).targets.items()))
    folder = tmp_path_factory.mktemp("bundle")
    return Told(
        {name: bundle.describe("output", name, target, folder, True)
         for name, target in targets.items()},
        {name: reader(type(target)) for name, target in targets.items()},
    )  # fmt: skip


def test_the_manifest_says_what_an_answer_means(runner):
    assert runner.outputs["grade"]["classes"] == ["low", "mid", "high"]
    assert runner.outputs["move"]["steps"] == 4
    assert runner.outputs["who"] == {
        "kind": "embedding",
        "reader": "output_embedding.py",
    }
    labels = bundle.labels(DataSpec.from_dict(SPEC))
    assert labels == {
        n: e["classes"] for n, e in runner.outputs.items() if "classes" in e
    }


def test_every_kind_is_answered(runner):
    steps = np.array([[0.9, 0.1, 0], [0.6, 0.4, 0], [0, 0.2, 0.8], [0, 1, 0]])
    raw = {
        "grade": np.array([0.2, 0.5, 0.3], "float32"),
        "move": steps.astype("float32"),
        "side": np.array([0.25, 0.75], "float32"),
        "size": np.array([2.5], "float32"),
        "tags": np.array([0.25, 0.75], "float32"),
        "who": np.array([0.6, -0.8], "float32"),
    }
    answer = runner.answer(raw)
    assert answer["grade"]["label"] == "mid"
    assert answer["grade"]["probabilities"]["low"] == pytest.approx(0.2)
    assert answer["move"]["labels"] == ["rest", "rest", "run", "walk"]
    assert answer["move"]["changes"] == [2, 3]
    assert answer["move"]["probabilities"]["run"] == pytest.approx(
        [0, 0, 0.8, 0]
    )
    assert answer["who"]["vector"] == pytest.approx([0.6, -0.8])
    assert answer["size"] == {"value": 2.5, "unit": "mm"}
    assert json.loads(json.dumps(answer)) == answer
