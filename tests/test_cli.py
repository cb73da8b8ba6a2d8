"""The commands, from the demo set to a bundle, and what they refuse."""

import json
import subprocess
import sys

import numpy as np
import pytest

from mmkeras import cli

RECIPE = """
modality_dropout = 0.1

[towers.image]
filters = 8
depth = 1
units = 16

[towers.audio]
units = 16
mel_bands = 16
width = 16
depth = 1

[towers.text]
variant = "bag"
units = 16

[fusion]
method = "concat"
units = 16

[training]
batch_size = 32
learning_rate = 0.003
tensorboard = false

[training.full]
epochs = 2

[training.component]
tower_epochs = 1
fusion_epochs = 1
epochs = 1
"""


def run(*arguments):
    """Runs a command in this process; returns its exit code."""
    before, sys.argv = sys.argv, ["mmkeras", *map(str, arguments)]
    try:
        return cli.main()
    finally:
        sys.argv = before


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    """A folder with data, a recipe and a run of each strategy."""
    folder = tmp_path_factory.mktemp("road")
    (folder / "recipe.toml").write_text(RECIPE)
    assert run("demo", "--out", folder / "raw", "--samples", 200) == 0
    spec = folder / "raw" / "demo.toml"
    assert run("prepare", spec, "--out", folder / "data", "--workers", 1) == 0
    for name in ("full", "component"):
        assert train(folder, name, name) == 0
    return folder


def train(folder, strategy, out):
    return run(
        "train", folder / "data", "--model", folder / "recipe.toml",
        "--strategy", strategy, "--out", folder / out, "--verbose", 0,
    )  # fmt: skip


def weights_of(folder):
    from mmkeras.model import load_model

    return load_model(folder).get_weights()


def test_a_run_says_where_it_comes_from(road):
    manifest = json.loads((road / "full" / "manifest.json").read_text())
    assert manifest["kind"] == "run"
    assert manifest["strategy"] == "full"
    assert manifest["recipe"]["fusion"]["method"] == "concat"
    assert sorted(manifest["files"]) == [
        "history.csv",
        "model.keras",
        "recipe.toml",
    ]


def test_the_same_seed_gives_the_same_weights(road):
    assert train(road, "full", "again") == 0
    pairs = zip(weights_of(road / "full"), weights_of(road / "again"))
    for first, second in pairs:
        np.testing.assert_array_equal(first, second)


def test_component_pretraining_goes_through_its_stages(road):
    text = (road / "component" / "history.csv").read_text()
    for stage in ("audio_tower", "image_tower", "text_tower", "fusion", "all"):
        assert f",{stage}" in text


def test_evaluation_compares_with_every_modality_alone(road, capsys):
    assert run("evaluate", road / "full") == 0
    assert "digit: accuracy" in capsys.readouterr().out
    folder = road / "full" / "evaluation"
    result = json.loads((folder / "evaluation.json").read_text())
    digit = result["targets"]["digit"]
    assert [each["name"] for each in digit["baselines"]] == [
        "majority class",
        "audio alone",
        "image alone",
        "text alone",
    ]
    absent = [subset["absent"] for subset in digit["subsets"]]
    assert ["audio"] in absent and ["audio", "image"] in absent
    page = (folder / "report.html").read_text()
    assert "<svg" in page and "http://" not in page.replace(
        "http://www.w3.org", ""
    )


def test_the_bundle_answers_and_its_card_prints(road, capsys):
    from mmkeras.export import main

    out = road / "bundle"
    # Two epochs leave a model that int8 may well move by a sample or two.
    assert main([str(road / "full"), "--out", str(out), "--max-drop", "1"]) == 0
    assert run("card", out) == 0
    assert "without audio: digit accuracy" in capsys.readouterr().out
    answer = subprocess.run(
        [sys.executable, out / "run.py", "--image",
         road / "raw" / "images" / "0000.png"],
        capture_output=True, check=True, text=True,
    ).stdout  # fmt: skip
    assert sorted(json.loads(answer)) == ["digit", "ink"]


def test_a_search_leaves_a_bundle_within_the_budget(road, capsys):
    from mmkeras import artefact
    from mmkeras.export import main

    whole = artefact.read_manifest(road / "bundle", "bundle")
    limit = 0.93 * whole["files"]["model.tflite"]["bytes"] / 1000
    out = road / "small"
    options = ["--budget-kb", f"{limit:.0f}", "--target", "raspberry-pi-4",
               "--search-epochs", "1", "--max-drop", "1"]  # fmt: skip
    assert main([str(road / "full"), "--out", str(out), *options]) == 0
    shown = capsys.readouterr().out
    assert "as trained, int4" in shown and "best: " in shown
    small = artefact.read_manifest(out, "bundle")
    assert small["files"]["model.tflite"]["bytes"] <= 1000 * limit
    card = json.loads((out / "card.json").read_text())
    assert card["target"] == "raspberry-pi-4"
    # The drop is one against the run, not against the pruned model.
    assert "original" in card["scenarios"]["all"]["digit"]
    folder = road / "small.search"
    search = artefact.read_manifest(folder, "search")
    assert search["target"] == "raspberry-pi-4"
    assert (folder / "model.keras").is_file()


def test_a_budget_out_of_reach_is_told(road, capsys):
    from mmkeras.export import main

    out = road / "tiny"
    arguments = [str(road / "full"), "--out", str(out), "--budget-kb", "0"]
    assert main(arguments) == 2
    assert "`size_kb` must be above 0" in capsys.readouterr().err
    assert not out.exists()


def test_spec_check_describes_a_spec(road, capsys):
    assert run("spec", "check", road / "raw" / "demo.toml") == 0
    shown = capsys.readouterr().out
    assert "modality audio: audio, 4000, optional" in shown
    assert "target digit: category, 10 classes" in shown


@pytest.mark.parametrize(
    "recipe, message",
    [
        ('[fusion]\nmethod = "gatd"', "'gatd'. Did you mean `gated`?"),
        ("[towers.image]\nfilterz = 3", "`towers.image.filterz`"),
        ("[towers.imagee]\nunits = 3", "`towers.imagee`"),
        (
            "[towers.image]\nunits = 0",
            "`towers.image.units` must be a positive integer",
        ),
        ("[heads.digit]\nlabel_smooth = 1", "`heads.digit.label_smooth`"),
        ("[training]\nbatch_size = 0", "`training.batch_size` must be"),
        ("[training]\nepochs = -1", "`training.epochs` must be"),
        ("[trainings]", "Did you mean `training`?"),
        ("[augment.image]\nrotate = 3", "rotate"),
        (
            "modality_dropout = 1.5",
            "`modality_dropout` must be a number from 0, below 1",
        ),
        ("a = ", "must be valid TOML"),
    ],
)
def test_a_wrong_recipe_is_one_message(road, tmp_path, capsys, recipe, message):
    path = tmp_path / "recipe.toml"
    path.write_text(recipe)
    out = tmp_path / "run"
    assert run("train", road / "data", "--model", path, "--out", out) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not out.exists()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("spec", "check", "nowhere.toml"), "must be a TOML file"),
        (("prepare", "nowhere.toml", "--out", "x"), "must be a TOML file"),
        (("train", "nowhere", "--out", "x"), "manifest.json"),
        (("evaluate", "nowhere"), "manifest.json"),
        (("card", "nowhere"), "manifest.json"),
    ],
)
def test_what_is_not_there_is_named(capsys, arguments, message):
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert message in error and "nowhere" in error


def test_a_stage_does_not_say_on_what_to_evaluate_it(road, capsys):
    stage = sorted((road / "component" / "stages").iterdir())[-1]
    assert run("evaluate", stage) == 2
    assert "one without `data`" in capsys.readouterr().err


def test_prepared_data_are_not_written_over(road, capsys):
    data = road / "data"
    before = (data / "manifest.json").read_bytes()
    assert run("train", data, "--out", data) == 2
    assert "`out` must be a folder of its own" in capsys.readouterr().err
    assert (data / "manifest.json").read_bytes() == before


def test_a_run_is_not_evaluated_on_other_data(road, tmp_path, capsys):
    other = tmp_path / "other"
    spec = road / "raw" / "demo.toml"
    assert run("prepare", spec, "--out", other, "--seed", 5) == 0
    assert run("evaluate", road / "full", "--data", other) == 2
    assert "must be the data the run was trained on" in capsys.readouterr().err


def test_debug_shows_the_traceback(capsys):
    with pytest.raises(ValueError, match="must be a TOML file"):
        run("--debug", "spec", "check", "nowhere.toml")
