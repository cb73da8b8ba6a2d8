"""Tags from the spec to the device: drugs and illnesses in short notes."""

import json
import subprocess

import numpy as np
import pandas as pd
import pytest
from test_cli import run

import mmkeras
from mmkeras.data import load_data

SAMPLES = 160
DRUGS = ("aspirin", "Ibuprofen", "penicillin", "oxytocin", "insulin")
ILLNESSES = ("flu", "bad headache", "h\u00e9patite", "sore throat")
SPEC = """
name = "notes"
[data]
manifest = "notes.csv"
id_column = "id"
[split]
seed = 1
[modalities.note]
kind = "text"
column = "note"
optional = true
max_tokens = 24
vocabulary_size = 120
[modalities.age]
kind = "vector"
columns = ["age"]
[targets.spans]
kind = "tags"
column = "spans"
modality = "note"
classes = ["drug", "illness"]
[targets.old]
kind = "category"
column = "old"
classes = ["no", "yes"]
"""
RECIPE = """
[towers.note]
variant = "cnn"
units = 16
[towers.age]
units = 8
[fusion]
method = "concat"
units = 16
[training]
batch_size = 16
learning_rate = 0.02
[training.full]
epochs = 6
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Notes of a drug and an illness; some have no note, some no label."""
    root = tmp_path_factory.mktemp("notes")
    draw, rows = np.random.default_rng(0), []
    for number in range(SAMPLES):
        drug, illness = draw.choice(DRUGS), draw.choice(ILLNESSES)
        note = f"took {draw.integers(1, 9)} mg of {drug}, it was {illness}!"
        spans = [
            {"start": note.index(word), "label": label,
             "end": note.index(word) + len(word)}
            for word, label in ((drug, "drug"), (illness, "illness"))
        ]  # fmt: skip
        age = draw.integers(20, 90)
        rows.append(
            {"id": f"n{number}", "note": note if number % 9 else "",
             "age": age, "old": "yes" if age > 55 else "no",
             "spans": json.dumps(spans) if number % 7 else ""}
        )  # fmt: skip
    rows[1]["spans"] = '[{"start": 0, "end": 900, "label": "drug"}]'
    pd.DataFrame(rows).to_csv(root / "notes.csv", index=False)
    (root / "notes.toml").write_text(SPEC)
    (root / "recipe.toml").write_text(RECIPE)
    return root


@pytest.fixture(autouse=True)
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)


def test_they_are_prepared_trained_and_evaluated_with_marked_texts():
    assert run("prepare", "notes.toml", "--out", "data") == 0
    data = load_data("data", augment=False)
    assert data.manifest["quarantined"] == {"span_outside": 1}
    facts = data.statistics["targets"]["spans"]
    assert facts["counts"]["drug"] == facts["counts"]["illness"] > 80
    words = ("train", "data", "--model", "recipe.toml", "--out", "run")
    assert run(*words, "--verbose", "0") == 0
    assert run("evaluate", "run", "--no-baselines") == 0
    text = open("run/evaluation/evaluation.json").read()
    found = json.loads(text)["targets"]["spans"]
    f1 = found["metrics"]["entity_f1"]
    assert f1["value"] > 0.9 and f1["low"] <= f1["value"] <= f1["high"]
    assert {"entity_f1_drug", "entity_f1_illness"} <= {*found["metrics"]}
    # Where the text is absent nothing is found, and nothing made up.
    subsets = {one["name"]: one["metrics"] for one in found["subsets"]}
    assert subsets["only age"]["entity_f1"]["value"] == 0
    assert [one["name"] for one in found["baselines"]] == ["nothing found"]
    page = open("run/evaluation/report.html").read()
    assert "DRUG]" in page and "ILLNESS]" in page


def test_towers_learn_alone_what_they_can_answer():
    data = load_data("data", batch_size=16, augment=False)
    recipe = {"towers": {"note": {"variant": "cnn", "units": 8}}}
    model, heads = mmkeras.build_from_recipe(
        data.spec, data.statistics, recipe, data
    )
    strategy = mmkeras.ComponentPretrain(
        tower_epochs=1, fusion_epochs=1, epochs=1
    )
    history = strategy.fit(model, data, heads, verbose=0)
    stages = list(dict.fromkeys(history.history["stage"]))
    assert stages == ["age_tower", "note_tower", "fusion", "all"]


@pytest.mark.parametrize("quantize", ["none", "int8"])
def test_the_device_answers_in_characters_of_the_text(
    folder, device_python, quantize
):
    words = ("export", "run", "--quantize", quantize, "--out", quantize)
    assert run(*words) == 0
    card = json.loads((folder / quantize / "card.json").read_text())
    assert card["quantize"] == quantize and not card["failures"]
    told = "  took 3 mg of Ibuprofen,  it was he\u0301patite!"
    found = asked(device_python, quantize, "--age", "70", "--note", told)
    check_spans(told, found["spans"]["spans"])
    lines = [{"note": told, "age": [70]}, {"age": [30]}]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    found = asked(device_python, quantize, "--stdin", text=text)
    first, second = (line["answer"]["spans"]["spans"] for line in found)
    check_spans(told, first)
    # Where no text is, nothing is found.
    assert second == []


def asked(python, bundle, *words, text=None):
    """Returns what a bundle answers without TensorFlow."""
    done = subprocess.run(
        [python, "-I", f"{bundle}/run.py", *words],
        capture_output=True, text=True, input=text,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    if text is None:
        return json.loads(done.stdout)
    return [json.loads(line) for line in done.stdout.splitlines()]


def check_spans(text, found):
    """Checks that a drug and an illness are where they are told to be."""
    assert [(one["label"], one["text"]) for one in found] == [
        ("drug", "Ibuprofen"),
        ("illness", "he\u0301patite"),
    ]
    places = [slice(one["start"], one["end"]) for one in found]
    assert [text[place] for place in places] == [one["text"] for one in found]
