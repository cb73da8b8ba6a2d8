"""`mmkeras tune` with real models, from the space to the test split."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib

import pytest
from two_tables import RECIPE, two_tables

from mmkeras import artefact
from mmkeras.runs import evaluate_run, set_up_run
from mmkeras.studies.tune import Job, check_space, recipe_of, to_toml, tune

SPACE = {
    **RECIPE,
    "fusion": {"method": {"choices": ["concat", "gated"]}, "units": 8},
    "training": {
        **RECIPE["training"],
        "learning_rate": {"min": 1e-4, "max": 0.05, "sampling": "log"},
    },
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return two_tables(tmp_path_factory.mktemp("trees"))


def job_of(data, out, **settings):
    settings = {"space": SPACE, "trials": 2, "epochs": 2, **settings}
    return Job(data=str(data), out=str(out), **settings)


@pytest.fixture(scope="module")
def searched(data, tmp_path_factory):
    """A finished search: its job, its result, how often the test was read."""
    patch = pytest.MonkeyPatch()
    read = []

    def evaluate_once(run, *args, **kwargs):
        read.append(run.name)
        return evaluate_run(run, *args, **kwargs)

    job = job_of(data, tmp_path_factory.mktemp("out") / "search")
    with patch.context() as patched:
        patched.setattr(
            "mmkeras.studies.tune.search.evaluate_run", evaluate_once
        )
        patched.setattr(
            "mmkeras.studies.tune.trial.set_up_run", set_up_without_test
        )
        result = tune(job, verbose=0)
    return job, result, read


def set_up_without_test(*args):
    ready = set_up_run(*args)
    del ready.data.test
    return ready


def test_the_test_split_is_read_once_and_at_the_end(searched):
    _, result, read = searched
    assert read == ["best"]
    assert 0.5 < result["test"]["kind"]["accuracy"]["value"] <= 1


def test_a_finished_search_answers_without_training(searched, monkeypatch):
    job, result, _ = searched

    def never(*args, **kwargs):
        raise RuntimeError("nothing is left to do")

    monkeypatch.setattr("mmkeras.studies.tune.trial.fit", never)
    monkeypatch.setattr("mmkeras.studies.tune.search.train_run", never)
    monkeypatch.setattr("mmkeras.studies.tune.search.evaluate_run", never)
    assert tune(job, verbose=0) == result


def test_the_best_recipe_is_the_run_that_was_tested(searched):
    job, result, _ = searched
    text = (job.folder / "best.toml").read_text()
    assert tomllib.loads(text) == result["best"]["recipe"]
    assert result["best"]["recipe"]["training"]["full"]["epochs"] == 2
    assert (job.folder / "best" / "recipe.toml").read_text() == text
    manifest = artefact.read_manifest(job.folder / "best", "run")
    assert manifest["recipe"] == result["best"]["recipe"]


def test_the_trial_measures_what_the_run_ends_with(searched):
    job, result, _ = searched
    rows = (job.folder / "best" / "history.csv").read_text().splitlines()
    last = dict(zip(rows[0].split(","), rows[-1].split(","), strict=True))
    for name in ("val_loss", "val_accuracy"):
        assert result["best"]["figures"][name] == pytest.approx(
            float(last[name]), rel=1e-6
        )
    losses = [row["objective"] for row in result["trials"]]
    assert result["best"]["objective"] == min(losses)
    assert len(set(losses)) == 2


def test_what_is_written_is_proved(searched):
    job, result, _ = searched
    manifest = artefact.read_manifest(job.folder, "tune")
    assert sorted(manifest["files"]) == [
        "best.toml", "report.html", "search.json", "trials.csv", "tune.json",
    ]  # fmt: skip
    with open(job.folder / "trials.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["fusion.method"] for row in rows] == [
        row["values"]["fusion.method"] for row in result["trials"]
    ]
    page = (job.folder / "report.html").read_text()
    assert page.count("<svg") == 3
    assert "<script" not in page
    assert not re.search(r"(src|href)=.http", page)


def test_names_are_escaped_in_the_report(searched):
    from mmkeras.studies.tune import render_report

    _, result, _ = searched
    text = json.dumps(result).replace("concat", "<script>x</script>")
    text = text.replace("gated", "$&<b>").replace("fusion.method", "<i>")
    assert "<script" not in render_report(json.loads(text))
    assert "<b>" not in render_report(json.loads(text))


def test_a_range_over_magnitudes_has_readable_ticks(searched):
    from mmkeras.studies.tune import plot_against

    _, result, _ = searched
    name = "training.learning_rate"
    for trial, rate in zip(result["trials"], (1e-4, 1e-1), strict=True):
        trial["values"][name] = rate
    svg = plot_against(result, name)
    assert "0.001" in svg and "0.1" in svg
    assert "mathdefault" not in svg


def test_other_strategies_share_out_the_steps_of_the_epochs(data, tmp_path):
    job = job_of(data, tmp_path, strategy="component", epochs=3)
    values = {"fusion.method": '"concat"', "training.learning_rate": 0.01}
    recipe = recipe_of(job, values)
    # 180 training samples are 6 batches of 32.
    assert recipe["training"]["component"] == {"budget_steps": 18}


@pytest.mark.parametrize(
    "change, message",
    [
        (
            {"fusion": {"method": {"choices": ["concat", "gatd"]}}},
            r"with fusion.method = 'gatd': .*Did you mean `gated`",
        ),
        (
            {"towers": {"left": {"unit": {"min": 1, "max": 8}}}},
            r"`towers.left.unit` is not a known key",
        ),
        (
            {"towers": {"left": {"units": {"min": 0, "max": 8}}}},
            r"with defaults: `towers.left.units` must",
        ),
        (
            {"training": {"learning_rate": {"min": -1.0, "max": 0.1}}},
            r"`training.learning_rate` must be a positive number",
        ),
        (
            {"training": {"epoch": 3, "batch_size": {"min": 8, "max": 16}}},
            r"`training.epoch` is not a known key. Did you mean `epochs`",
        ),
        (
            {
                "training": {
                    **RECIPE["training"],
                    "patience": None,
                    "clip_norm": {"min": 1, "max": 2},
                }
            },
            r"with defaults: A recipe must hold",
        ),
        (
            {"augment": {"left": {"noise": {"min": 0.0, "max": 1.0}}}},
            r"`augment.left.noise` is not a known key",
        ),
    ],
)
def test_a_space_that_cannot_be_built_is_refused(data, change, message):
    with pytest.raises(ValueError, match=message):
        check_space(job_of(data, "nowhere", space={**SPACE, **change}))


def test_an_objective_that_is_no_figure_is_refused(data):
    job = job_of(data, "nowhere", objective="val_kind_acc", direction="max")
    with pytest.raises(ValueError, match="Choices: val_accuracy"):
        check_space(job)


def test_the_command_tells_what_was_found(searched, data, tmp_path):
    from typer.testing import CliRunner

    from mmkeras.cli import app

    job, result, _ = searched
    (tmp_path / "space.toml").write_text(to_toml(SPACE))
    arguments = [
        "tune", str(data),
        "--space", str(tmp_path / "space.toml"), "--out", job.out,
        "--trials", "2", "--epochs", "2",
    ]  # fmt: skip
    found = CliRunner().invoke(app, arguments)
    assert found.exit_code == 0, found.exception
    best = result["best"]
    assert f"best: trial {best['trial']}, val_loss" in found.stdout
    assert f"  fusion.method = {best['values']['fusion.method']}" in (
        found.stdout
    )
    value = result["test"]["kind"]["accuracy"]["value"]
    assert f"test, kind: accuracy {value:.4g}" in found.stdout
    found = CliRunner().invoke(app, [*arguments, "--seed", "4"])
    assert "`seed` was 0, now 4" in str(found.exception)


SCRIPT = """
import json, sys
from mmkeras.studies.tune import Job, tune
if __name__ == "__main__":
    tune(Job(**json.loads(sys.argv[1])), workers=int(sys.argv[2]), verbose=0)
"""


def start(job, workers):
    from dataclasses import asdict

    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, json.dumps(asdict(job)), str(workers)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def finished(job):
    return {
        path.parent.name: path.stat().st_mtime_ns
        for path in job.folder.glob("trials/*/manifest.json")
    }


@pytest.mark.slow
def test_workers_and_a_kill_leave_the_same_search(searched, data, tmp_path):
    alone, result, _ = searched
    job = job_of(data, tmp_path / "search")
    process = start(job, 2)
    while not finished(job):
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    # Its workers end by themselves.
    time.sleep(3)
    kept = finished(job)
    process = start(job, 2)
    assert process.wait() == 0, process.stdout.read()
    after = finished(job)
    assert {name: after[name] for name in kept} == kept
    found = json.loads((job.folder / "tune.json").read_text())
    assert found["best"]["values"] == result["best"]["values"]
    by_folder = {row["folder"]: row["figures"] for row in found["trials"]}
    assert by_folder == {
        row["folder"]: row["figures"] for row in result["trials"]
    }
