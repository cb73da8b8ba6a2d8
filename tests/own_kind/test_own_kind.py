"""A kind of one's own, from the spec to the device, as `docs` shows it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import own_kind_files
import pytest
from test_cli import run

import mmkeras
from mmkeras import artefact
from mmkeras.data import load_data
from mmkeras.model import load_model

MOST_LINES = 150


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    """The folder of the page's files, and the true degrees by sample."""
    folder = tmp_path_factory.mktemp("clouds")
    return folder, own_kind_files.write_all(folder)


@pytest.fixture(autouse=True)
def here(road, monkeypatch):
    """The folder as the current one; what a command registers is forgotten."""
    monkeypatch.chdir(road[0])
    monkeypatch.setattr(sys, "path", [*sys.path])
    with mmkeras.registrations():
        yield road[0]
    for name in list(sys.modules):
        place = getattr(sys.modules[name], "__file__", None) or ""
        if Path(place).parent == road[0]:
            del sys.modules[name]


def page(number: int) -> list[str]:
    """Returns the words of a command of the page after `mmkeras`."""
    return own_kind_files.commands()[number][1:]


def test_both_are_defined_in_few_lines():
    files = own_kind_files.files()
    lines = "".join(files[name] for name in own_kind_files.DEFINITIONS)
    print(f"own-kind lines: {len(lines.splitlines())}")
    assert len(lines.splitlines()) <= MOST_LINES


def test_without_the_module_the_kind_is_unknown(capsys):
    assert run("spec", "check", "clouds.toml") == 2
    assert "must be one of audio, image" in capsys.readouterr().err


def test_the_spec_is_checked_without_tensorflow(here):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "mmkeras.cli", *page(0)],
        cwd=here, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert "modality cloud: cloud, 48 x 3" in done.stdout
    assert "target heading: direction" in done.stdout
    assert "tensorflow" not in done.stderr and "keras.src" not in done.stderr


def test_it_is_prepared_by_two_workers(here):
    assert run(*page(1)) == 0
    manifest = artefact.read_manifest(here / "data", "data")
    assert manifest["quarantined"] == {"corrupt": len(own_kind_files.BROKEN)}
    data = load_data("data")
    x, y, weights = next(iter(data.test))
    assert x["cloud"].shape[1:] == (48, 3) and x["cloud"].dtype == "float32"
    length = np.linalg.norm(y["heading"], axis=1)
    assert length == pytest.approx(np.asarray(weights["heading"]), abs=1e-6)
    assert set(np.unique(weights["heading"])) == {0, 1}


def test_the_data_report_needs_nothing_of_a_kind(here):
    words = page(1)
    module = words[words.index("--import") + 1]
    assert run("inspect", "data", "--import", module) == 0
    text = (here / "data.inspection/inspection.json").read_text()
    found = json.loads(text)
    names = {one["name"] for one in found["findings"]}
    assert "quarantine" in names
    assert found["alike"]["modalities"]["cloud"]["exact"]["samples"] == 0


def test_it_is_trained_and_evaluated(here):
    assert run(*page(2), "--verbose", 0) == 0
    assert run(*page(3)) == 0
    text = (here / "run/evaluation/evaluation.json").read_text()
    found = json.loads(text)["targets"]["heading"]["metrics"]
    assert found["angle_error"]["value"] < 15
    assert found["within_30"]["value"] > 0.9
    assert "Degrees off" in (here / "run/evaluation/report.html").read_text(
        "utf-8"
    )


def test_the_device_answers_as_the_model(here, road, device_python):
    assert run(*page(4)) == 0
    card = json.loads((here / "bundle/card.json").read_text())
    assert card["recipe"].startswith("int8") and not card["failures"]
    words = own_kind_files.commands()[5][1:]
    done = subprocess.run(
        [device_python, "-I", *words], cwd=here, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)["heading"]
    away = (answer["degrees"] - road[1]["s0"] + 180) % 360 - 180
    assert abs(away) < 25
    assert set(answer) == {"degrees"}


def test_the_model_is_loaded_where_the_module_is_imported(here):
    assert run("--import", "clouds", "spec", "check", "clouds.toml") == 0
    assert load_model(here / "run").name


def test_a_run_alone_brings_no_code(here, capsys):
    assert run("evaluate", "run") == 2
    assert "--import MODULE" in capsys.readouterr().err


def test_the_kinds_keep_the_contract_of_kinds(here, monkeypatch):
    monkeypatch.syspath_prepend(here)
    exec(own_kind_files.last_python(), {})
