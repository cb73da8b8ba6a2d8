"""Fault 26: OUT holds somebody else's files; they stay, whatever is asked."""

import os

import pytest
from training.training_toys import (
    HEADS,
    running_eagerly,
    toy_data,
    toy_model,
)

from mmkeras import artefact, cli
from mmkeras.data import prepare, restore_data, write_demo
from mmkeras.training import FullFineTune, save_run

SPACE = "[fusion]\nmethod = {choices = ['concat', 'gated']}\n"
COMMANDS = {
    "prepare": "prepare {spec} --out {out}",
    "prepare again": "prepare {spec} --out {out} --restart",
    "train": "train {data} --out {out}",
    "train again": "train {data} --out {out} --restart",
    "compare": "compare {data} --out {out} --budget-steps 2 --seeds 2",
    "compare again": "compare {data} --out {out} --budget-steps 2 --restart",
    "tune": "tune {data} --space {space} --method grid --out {out}",
    "tune again": "tune {data} --space {space} --method grid --restart "
    "--out {out}",
    "bagging": "ensemble bagging {data} --out {out} --restart",
    "average": "ensemble average {run} {run} --out {out}",
    "inspect": "inspect {data} --out {out}",
    "index": "index {run} {data} --name image --out {out}",
    "export": "export {run} --out {out}",
    "export by force": "export {run} --out {out} --force",
    "demo": "demo --samples 100 --out {out}",
    "restore": "data restore {data} {out}",
}


def content(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Prepared data and a run, as far as a command looks before OUT."""
    place = tmp_path_factory.mktemp("place")
    spec = write_demo(place / "demo", samples=100)
    prepare(None, spec, place / "data", workers=1)
    (place / "space.toml").write_text(SPACE)
    (place / "run").mkdir()
    manifest = artefact.read_manifest(place / "data", "data")
    artefact.write_manifest(
        place / "run", "run", [], spec=manifest["spec"],
        data=str(place / "data"), recipe={}, strategy="full", seed=0,
        data_sha256=artefact.sha256_of(place / "data" / artefact.MANIFEST),
    )  # fmt: skip
    return place


@pytest.fixture
def eagerly():
    with running_eagerly():
        yield


@pytest.mark.parametrize("command", COMMANDS)
def test_a_foreign_folder_is_refused_by_name(place, tmp_path, capsys, command):
    out = tmp_path / "thesis"
    for name in ("checkpoints/best.pt", "runs/1/x", "model.keras", "sw.js"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("mine")
    before = content(out)
    words = COMMANDS[command].format(
        out=out, data=place / "data", run=place / "run",
        spec=place / "demo" / "demo.toml", space=place / "space.toml",
    )  # fmt: skip
    assert cli.main(words.split()) == 2
    assert content(out) == before
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert str(out) in said


def fit(out, resume=False):
    model = toy_model(seed=1)
    strategy = FullFineTune(epochs=2, checkpoint_share=1.0, tensorboard=False)
    history = strategy.fit(
        model, toy_data(), HEADS, out=out, verbose=0, resume=resume
    )
    save_run(out, model, history)


def test_a_training_that_begins_anew_leaves_foreign_files(tmp_path, eagerly):
    out = tmp_path / "run"
    fit(out)
    theirs = (
        "notes.txt", "checkpoints/best.pt", "checkpoints/notes/a.txt",
        "checkpoints/epoch-0001/mine.txt", "stages/mine/model.keras",
        "stages/1-mine/thesis.txt", "logs/mine.log", ".partial/mine.txt",
    )  # fmt: skip
    for name in theirs:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("mine")
    for resume in (False, True):
        fit(out, resume)
        assert {(out / name).read_text() for name in theirs} == {"mine"}
        artefact.read_manifest(out, "run")


def test_the_older_run_stays_until_the_new_one_is_there(tmp_path, eagerly):
    out = tmp_path / "run"
    fit(out)
    names = ("model.keras", "history.csv", "manifest.json")
    before = {name: (out / name).read_bytes() for name in names}
    model = toy_model(seed=2)
    strategy = FullFineTune(epochs=1, tensorboard=False)
    history = strategy.fit(model, toy_data(), HEADS, out=out, verbose=0)
    for value in (object(), float("nan")):
        # The last of its files cannot be written.
        with pytest.raises((TypeError, ValueError)):
            save_run(out, model, history, results={"x.json": value})
        assert {n: (out / n).read_bytes() for n in names} == before
    artefact.read_manifest(out, "run")


def test_what_is_restored_is_put_into_an_empty_folder_alone(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(ValueError, match="must be new or empty"):
        restore_data(tmp_path / "archive.tar", tmp_path / "out")
    assert os.listdir(tmp_path / "out") == ["mine"]
