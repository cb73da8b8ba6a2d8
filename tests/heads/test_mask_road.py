"""Masks from the spec to the device: bright spots, one of two of them."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from test_cli import run

import mmkeras
from mmkeras.data import load_data

SAMPLES = 72
SPEC = """
name = "spots"
description = "Spots; no medical device."
[data]
root = "."
manifest = "spots.csv"
id_column = "id"
[split]
seed = 1
[modalities.view]
kind = "image"
column = "file"
height = 16
width = 16
channels = 1
[modalities.side]
kind = "vector"
columns = ["left"]
optional = true
[targets.spot]
kind = "mask"
column = "mask"
classes = ["spot"]
modality = "view"
[targets.bright]
kind = "number"
column = "bright"
"""
RECIPE = """
[towers.view]
filters = 8
depth = 2
units = 16
[towers.side]
units = 8
[fusion]
method = "concat"
units = 16
[heads.spot]
filters = 8
[augment.view]
translation = 0.1
horizontal_flip = 1
[training]
batch_size = 16
learning_rate = 0.01
[training.full]
epochs = 20
[training.component]
tower_epochs = 1
fusion_epochs = 1
epochs = 1
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures of 48x32 with a bright spot, whose mask some lack."""
    root = tmp_path_factory.mktemp("spots")
    draw, rows = np.random.default_rng(0), []
    for number in range(SAMPLES):
        spot = np.zeros((32, 48), "uint8")
        y, x = draw.integers(4, 20), draw.integers(4, 32)
        spot[y : y + 9, x : x + 12] = 1
        bright = int(draw.integers(120, 200))
        noise = draw.integers(0, 40, spot.shape).astype("uint8")
        Image.fromarray(spot * bright + noise).save(root / f"{number}.png")
        Image.fromarray(spot * 255).save(root / f"{number}_mask.png")
        rows.append(
            {"id": f"s{number}", "file": f"{number}.png",
             "mask": f"{number}_mask.png" if number % 6 else "",
             "left": draw.normal() if number % 3 else "", "bright": bright}
        )  # fmt: skip
    Image.fromarray(np.full((5, 5), 255, "uint8")).save(root / "small.png")
    rows[1]["mask"] = "small.png"
    pd.DataFrame(rows).to_csv(root / "spots.csv", index=False)
    (root / "spots.toml").write_text(SPEC)
    (root / "recipe.toml").write_text(RECIPE)
    return root


@pytest.fixture(autouse=True)
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)


def test_it_is_prepared_by_two_workers():
    words = ("prepare", "spots.toml", "--out", "data", "--workers", "2")
    assert run(*words) == 0
    data = load_data("data", augment=False)
    assert data.manifest["quarantined"] == {"wrong_size": 1}
    x, y, weights = next(iter(data.test))
    assert y["spot"].shape[1:] == (16, 16) and y["spot"].dtype == "uint8"
    known = np.asarray(weights["spot"]) > 0
    light = np.asarray(x["view"])[known, ..., 0] > 90
    assert (light == np.asarray(y["spot"])[known]).mean() > 0.95


def test_it_is_trained_and_evaluated_with_pictures():
    words = ("train", "data", "--model", "recipe.toml", "--out", "run")
    assert run(*words, "--verbose", "0") == 0
    assert run("evaluate", "run") == 0
    text = open("run/evaluation/evaluation.json").read()
    found = json.loads(text)["targets"]["spot"]
    assert found["metrics"]["dice"]["value"] > 0.85
    assert found["metrics"]["dice"]["low"] <= found["metrics"]["dice"]["value"]
    # What knows the training masks alone, and no model without the picture.
    names = {one["name"] for one in found["baselines"]}
    assert names == {"mean mask of training", "view alone"}
    assert [one["name"] for one in found["subsets"]] == ["only view"]
    page = open("run/evaluation/report.html").read()
    assert page.count('alt="label"') == page.count('alt="answer"') > 0
    assert "Spots; no medical device." in page
    rows = pd.read_csv("run/evaluation/predictions.csv")
    assert 0 < json.loads(rows["spot"].iloc[0])["spot"] < 1


def test_towers_learn_alone_what_they_can_answer():
    data = load_data("data", batch_size=16, augment=False)
    recipe = {"towers": {"view": {"filters": 4, "depth": 2}}}
    model, heads = mmkeras.build_from_recipe(
        data.spec, data.statistics, recipe, data
    )
    strategy = mmkeras.ComponentPretrain(
        tower_epochs=1, fusion_epochs=1, epochs=1
    )
    history = strategy.fit(model, data, heads, verbose=0)
    stages = list(dict.fromkeys(history.history["stage"]))
    assert stages == ["side_tower", "view_tower", "fusion", "all"]


@pytest.mark.parametrize("quantize", ["int8", "float16"])
def test_the_device_answers_in_the_pixels_given(
    folder, device_python, quantize
):
    words = ("export", "run", "--quantize", quantize, "--out", quantize)
    assert run(*words) == 0
    card = json.loads((folder / quantize / "card.json").read_text())
    assert card["quantize"] == quantize and not card["failures"]
    # Of another size, by Pillow, which a device may lack.
    Image.open(folder / "3.png").resize((16, 16)).save(folder / "small_3.png")
    for path, python, size in (
        ("small_3.png", device_python, [16, 16]),
        ("3.png", sys.executable, [32, 48]),
    ):
        done = subprocess.run(
            [python, "-I", f"{quantize}/run.py", "--view", path],
            cwd=folder, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)["spot"]
        assert found["size"] == size
        values, lengths = zip(*found["runs"], strict=True)
        answer = np.repeat(values, lengths).reshape(size)
        mask = Image.open(folder / "3_mask.png")
        truth = np.asarray(mask.resize(size[::-1], 0)) > 0
        both = 2 * (answer & truth).sum() / (answer.sum() + truth.sum())
        assert both > 0.6
