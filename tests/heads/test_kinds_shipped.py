"""A model with a target of every kind: trained, evaluated, on a device."""

import json
import subprocess
import sys

import numpy as np
import pytest
from heads_toys import toy_spec, write_table

from mmkeras import runs
from mmkeras.data import prepare
from mmkeras.export import export

RECIPE = {
    "towers": {"table": {"units": 16}, "note": {"units": 16, "variant": "gru"}},
    "fusion": {"method": "concat", "units": 32},
    "heads": {
        "side": {"class_weights": "balanced", "focal_gamma": 2.0},
        "move": {"units": 16},
        "size": {"huber_delta": 1.0},
        "who": {"units": 8},
    },
    "training": {
        "learning_rate": 1e-2,
        "balance": "uncertainty",
        "tensorboard": False,
        "full": {"epochs": 16},
    },
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the converters
def test_every_kind_goes_from_a_table_to_the_runner_s_answer(tmp_path):
    write_table(tmp_path)
    spec = toy_spec(tmp_path, length="variable")
    prepare(spec, tmp_path / "data", workers=1)
    run = tmp_path / "run"
    runs.train_run(tmp_path / "data", RECIPE, "full", run, verbose=0)
    found = runs.evaluate_run(run, baselines=False)["targets"]
    chance = {"grade": 0.5, "move": 0.5, "side": 0.6, "who": 0.3}
    headlines = {"who": "recall_at_1"}
    for name, least in chance.items():
        metric = found[name]["metrics"][headlines.get(name, "accuracy")]
        assert metric["value"] > least, name
    assert "kappa" in (run / "evaluation" / "evaluation.json").read_text()

    data = runs.open_data(
        json.loads((run / "manifest.json").read_text()), augment=False
    )
    card = export(run, spec, data, tmp_path / "bundle", max_drop=0.1)
    assert card.failures == ()
    for name in ("grade", "move", "side", "tags"):
        found = card.measured.complete[name].files["tflite int8"]
        assert found.agreement >= 0.99, name
    answer = subprocess.run(
        [sys.executable, tmp_path / "bundle" / "run.py", "--table",
         "0.5,-0.9,0.1", "--note", "calm still left right fast fast calm calm"],
        capture_output=True, check=True,
    )  # fmt: skip
    told = json.loads(answer.stdout)
    assert told["side"]["label"] == "right"
    assert told["grade"]["label"] == "low"
    assert told["move"]["labels"] == ["rest", "walk", "run", "rest"]
    assert told["move"]["changes"] == [1, 2, 3]
    assert np.linalg.norm(told["who"]["vector"]) == pytest.approx(1, abs=1e-3)
    assert told["size"]["value"] == pytest.approx(10.4, abs=1)
    # Three of at most eight words: the answer ends in the second of four steps.
    short = subprocess.run(
        [sys.executable, tmp_path / "bundle" / "run.py", "--table",
         "0.5,-0.9,0.1", "--note", "calm still left"],
        capture_output=True, check=True,
    )  # fmt: skip
    told = json.loads(short.stdout)["move"]
    assert len(told["labels"]) == len(told["probabilities"]["rest"]) == 2
