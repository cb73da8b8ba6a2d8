"""Camera, lidar and GPS/IMU of generated scenes, from builder to device."""

import json
import shutil
import subprocess
from pathlib import Path

import builder
import driving
import numpy as np
import pandas as pd
import pytest
from builder_toys import run as build
from PIL import Image
from test_cli import run

from mmkeras import artefact
from mmkeras.data import load_data

FOLDER = Path(builder.__file__).parent


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A tenth of the set beside copies of its spec and recipe."""
    folder = tmp_path_factory.mktemp("driving")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driving, "DRIVES", 40)
        assert build(driving, "--out", folder / "data/driving") == 0
    (folder / "data_specs").mkdir()
    shutil.copy(FOLDER / "driving.toml", folder / "data_specs")
    text = (FOLDER / "recipes/driving.toml").read_text()
    text = text.replace("epochs = 20", "epochs = 2")
    (folder / "recipe.toml").write_text(text)
    return folder


def test_the_sensors_see_one_scene():
    """A car 10 m ahead and 1 m left is there for camera and lidar alike."""
    scene = driving.Scene("car", 10.0, 1.0, 8.0, night=False)
    draw = np.random.default_rng(0)
    points = driving.scan(scene, draw)
    car = points[points[:, 3] > 0.45]
    assert len(car) > 30
    assert (np.abs(car[:, 0] - 10) < 2.3).all()
    assert (np.abs(car[:, 1] - 1) < 1.1).all()
    assert car[:, 2].max() < 0 < car[:, 2].max() + driving.ABOVE_M
    pixels = driving.photograph(scene, draw).astype(int)
    red = (pixels[..., 0] - pixels[..., 1:].max(axis=-1)) > 40
    rows, columns = np.nonzero(red)
    # Left of the middle, and below the horizon.
    assert columns.mean() < driving.WIDTH / 2 < columns.max() + 10
    assert rows.min() > driving.HEIGHT * 8 / 22 - 1
    road = driving.scan(driving.Scene("nothing", 9, 0, 8, True), draw)
    assert np.abs(road[:, 2] + driving.ABOVE_M).max() < 0.2
    speeds = [float(row["speed_m_s"]) for row in driving.motion(scene, draw)]
    assert abs(np.mean(speeds[-3:]) - 8) < 0.7


@pytest.fixture(scope="module")
def shards(made):
    """The set, prepared."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        spec = "data_specs/driving.toml"
        assert run("prepare", spec, "--out", "shards", "--workers", 1) == 0
    return made


def test_every_scene_is_read(shards, monkeypatch):
    made = shards
    monkeypatch.chdir(made)
    assert artefact.read_manifest(made / "shards", "data")["quarantined"] == {}
    table = pd.read_csv("data/driving/manifest.csv", dtype=str)
    assert len(table) == 120
    data = load_data("shards")
    assert data.spec.optional == ("front", "lidar", "motion")
    x, _, _ = next(iter(data.train))
    there = x["present"].numpy()[:, 1] > 0
    points = x["lidar"].numpy()[there]
    assert np.isfinite(points[:, 0]).all() and len(points) > 20
    assert np.isnan(x["lidar"].numpy()[~there]).all()


@pytest.mark.slow
def test_the_whole_road(shards, monkeypatch, device_python):
    monkeypatch.chdir(shards)
    table = pd.read_csv("data/driving/manifest.csv", dtype=str)
    recipe = ("--model", "recipe.toml", "--verbose", 0)
    assert run("train", "shards", *recipe, "--out", "run") == 0
    assert run("evaluate", "run") == 0
    found = json.loads(Path("run/evaluation/evaluation.json").read_text())
    assert {"ahead", "time_left"} <= set(found["targets"])
    assert run("export", "run", "--quantize", "int8", "--out", "bundle",
               "--max-drop", 0.5) == 0  # fmt: skip
    card = json.loads(Path("bundle/card.json").read_text())
    assert card["recipe"].startswith("int8") and not card["failures"]
    whole = table.dropna(subset=["camera", "lidar", "motion"]).iloc[0]
    files = [f"data/driving/{whole[n]}" for n in ("camera", "lidar", "motion")]
    answers = []
    for given in (3, 2):
        words = [w for pair in zip(("--front", "--lidar", "--motion"), files)
                 for w in pair][-2 * given :]  # fmt: skip
        done = subprocess.run(
            [device_python, "-I", "bundle/run.py", *words],
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        answers.append(json.loads(done.stdout))
    assert set(answers[0]) >= {"ahead", "time_left"}
    assert answers[0] != answers[1], "the camera says something"
    cut = Path("cut.bin")
    cut.write_bytes(Path(files[1]).read_bytes()[:-5])
    done = subprocess.run(
        [device_python, "-I", "bundle/run.py", "--lidar", cut],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode and "truncated" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_generated_set_has_no_source(tmp_path, capsys):
    out = tmp_path / "driving"
    with pytest.raises(SystemExit):
        build(driving, "source", "--out", out)
    assert build(driving, "--download", "--out", out) == 2
    assert "not offered" in capsys.readouterr().err
    assert Image.fromarray(
        driving.photograph(
            driving.Scene("nothing", 9, 0, 8, True), np.random.default_rng(0)
        )
    ).size == (driving.WIDTH, driving.HEIGHT)
