"""A text that a model writes, from the spec to the device."""

import csv
import json
import subprocess
import sys

import keras
import numpy as np
import pytest

import mmkeras
from mmkeras import evaluation, export, runs
from mmkeras.generation import GREEDY, Sampling, generate
from mmkeras.studies import shrink

COLOURS = ("red", "blue", "teal")
SIZES = ("tiny", "huge")
SPEC = """
name = "toy"
[data]
root = "."
[split]
method = "column"
column = "split"
[modalities.sensor]
kind = "vector"
columns = ["a", "b", "c", "d"]
optional = true
[modalities.question]
kind = "text"
column = "question"
max_tokens = 4
[targets.answer]
kind = "text"
column = "answer"
max_characters = 8
prompt = "question"
references = 2
"""
RECIPE = {
    "towers": {
        "question": {"variant": "bag", "units": 16},
        "sensor": {"units": 16},
    },
    "fusion": {"method": "concat", "units": 16},
    "heads": {"answer": {"units": 32, "depth": 2, "heads": 2}},
    "training": {
        "batch_size": 32,
        "learning_rate": 0.01,
        # To compile a step takes longer than all of them.
        "jit_compile": False,
        "full": {"epochs": 40},
        "component": {"tower_epochs": 4, "fusion_epochs": 20, "epochs": 12},
    },
}


def rows():
    """What is asked decides whether the answer is a colour or a size."""
    draw = np.random.default_rng(0)
    for index in range(240):
        colour, size = draw.integers(0, 3), draw.integers(0, 2)
        values = [*np.eye(3)[colour], size] + draw.normal(0, 0.1, 4)
        asked = index % 2
        answer = SIZES[size] if asked else COLOURS[colour]
        if asked and size:
            answer += "|large"
        gone = index % 12 == 5
        yield {
            **{k: "" if gone else v for k, v in zip("abcd", values)},
            "question": "which size ?" if asked else "which colour is it ?",
            "answer": "" if index == 7 else answer,
            "split": ("train", "train", "validation", "test")[index // 2 % 4],
        }


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    with open(folder / "manifest.csv", "w", newline="") as file:
        table = list(rows())
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(table)
    (folder / "spec.toml").write_text(SPEC)
    spec = mmkeras.load_spec(folder / "spec.toml")
    mmkeras.prepare(spec, out=folder / "data", workers=1)
    return folder / "data"


@pytest.fixture(scope="module")
def run(data):
    runs.train_run(data, RECIPE, "full", data.parent / "run", verbose=0)
    return data.parent / "run"


@pytest.fixture(scope="module")
def model(run):
    return mmkeras.load_model(run)


@pytest.fixture(scope="module")
def loaded(data):
    return mmkeras.load_data(data, batch_size=16, augment=False)


def test_it_learns_to_answer_what_is_asked(model, loaded):
    found = evaluation.predict(model, loaded.test)
    target = loaded.spec.targets["answer"]
    figures = target.figures(*(found[i]["answer"] for i in (1, 0, 2)))
    values = figures.values()
    assert values["exact_match"] > 0.8
    assert 1 <= values["perplexity"] < 1.5


def test_component_training_learns_it_too(data, loaded):
    ready = runs.set_up_run(data, RECIPE, "component", 0)
    runs.train(ready, 0)
    found = evaluation.predict(ready.model, loaded.test)
    target = loaded.spec.targets["answer"]
    figures = target.figures(*(found[i]["answer"] for i in (1, 0, 2)))
    assert figures.values()["exact_match"] > 0.6


def test_letters_one_at_a_time_are_as_likely_as_all_at_once(model, loaded):
    x, _, _ = next(iter(loaded.test))
    memory = model.predict_on_batch(x)["answer"]
    layer = model.get_layer("answer")
    found = layer.finish_outputs(memory)
    codes = found[:, 0].astype("int32")
    # As both references: the second must not see the first.
    likely, ids = layer.log_probabilities(memory, np.tile(codes, (1, 2)))
    each = np.take_along_axis(np.asarray(likely), np.asarray(ids)[..., None], 2)
    one, two = np.split(each[..., 0], 2, axis=1)
    np.testing.assert_allclose(one, two, atol=1e-5)
    till = np.arange(codes.shape[1]) <= (codes > 0).sum(axis=1)[:, None]
    # The start and the unknown are never written.
    np.testing.assert_allclose(found[:, 1][till], one[till], atol=2e-3)


def test_an_absent_modality_does_not_change_the_answer(model, loaded):
    x, _, _ = next(iter(loaded.test))
    x = {name: np.array(value) for name, value in x.items()}
    x["present"][:] = 0
    before = model.predict_on_batch(x)["answer"]
    x["sensor"] += 100
    np.testing.assert_allclose(model.predict_on_batch(x)["answer"], before)


@pytest.mark.parametrize(
    "settings, alike",
    [
        ({"temperature": 0.0}, True),
        ({"temperature": 1.0, "top_k": 1}, True),
        ({"temperature": 1.0, "top_p": 1e-6}, True),
        ({"temperature": 50.0, "seed": 3}, False),
    ],
)
def test_chance_chooses_among_what_it_may(model, loaded, settings, alike):
    x, _, _ = next(iter(loaded.test))
    memory = model.predict_on_batch(x)["answer"]
    decoder = model.get_layer("answer").decoder()
    best, _ = generate(memory, decoder, GREEDY)
    found, _ = generate(memory, decoder, Sampling(**settings))
    again, _ = generate(memory, decoder, Sampling(**settings))
    assert (found == again).all()
    assert (found == best).all() == alike


def test_a_beam_finds_no_text_that_is_less_likely(model, loaded):
    x, _, _ = next(iter(loaded.test))
    memory = model.predict_on_batch(x)["answer"][:4]
    decoder = model.get_layer("answer").decoder()
    _, greedy = generate(memory, decoder, GREEDY)
    ids, likely = generate(
        memory, decoder, Sampling(beams=4, length_penalty=0.0)
    )
    assert (likely.sum(axis=1) >= greedy.sum(axis=1) - 1e-5).all()
    assert all(decoder.text_of(row) for row in ids)


@pytest.mark.parametrize("beams", [1, 3])
def test_a_text_ends_before_what_stops_it(model, loaded, beams):
    x, _, _ = next(iter(loaded.test))
    memory = model.predict_on_batch(x)["answer"]
    decoder = model.get_layer("answer").decoder()
    stops = Sampling(beams=beams, stop=("d", "ny"))
    told = {}

    def tell(row, letter):
        told[row] = told.get(row, "") + letter

    ids, _ = generate(memory, decoder, stops, tell)
    texts = [decoder.text_of(row) for row in ids]
    assert {"re", "ti"} & set(texts)
    assert not any("d" in text or "ny" in text for text in texts)
    assert [told.get(row, "") for row in range(len(texts))] == texts


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"temperature": -1}, "`temperature` must be from 0 to 100"),
        ({"temperature": float("nan")}, "`temperature` must be"),
        ({"top_p": 0}, "`top_p` must be above 0"),
        ({"top_k": 2.5}, "`top_k` must be whole"),
        ({"beams": 2, "temperature": 1.0}, "`beams` goes without"),
        ({"stop": ("",)}, "`stop` must be texts"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        Sampling(**settings)


@pytest.fixture(scope="module")
def bundle(run, loaded):
    out = run.parent / "bundle"
    export.export(
        run,
        loaded.spec,
        loaded,
        out,
        quantize="int8",
        # A few samples: a single one may be several per cent.
        max_drop=0.1,
        report=lambda line: None,
    )
    return out


@pytest.mark.filterwarnings("ignore")
def test_the_file_writes_what_the_model_does(bundle, model, loaded):
    card = json.loads((bundle / "card.json").read_text())
    found = json.dumps(card)
    assert "dynamic" in found and "int8-heavy" in found
    sys.path.insert(0, str(bundle))
    command = [
        *(sys.executable, bundle / "run.py", "--question", "which size ?"),
        *("--sensor", "1,0,0,1", "--stream"),
    ]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    *lines, _ = result.stdout.partition("{\n")[0].split("\n")
    answer = json.loads(
        result.stdout.partition("{\n")[1] + result.stdout.partition("{\n")[2]
    )["answer"]
    assert answer["text"] in ("huge", "large")
    letters = [json.loads(line)["character"] for line in lines]
    assert "".join(letters) == answer["text"]
    assert 0 < answer["probability"] <= 1


@pytest.mark.parametrize(
    "options, words",
    [
        (["--temperature", "-1"], "`temperature` must be"),
        (["--beams", "2", "--temperature", "1"], "`beams` goes without"),
        (["--top-k", "many"], "--top-k"),
    ],
)
def test_a_wrong_option_ends_the_runner(bundle, options, words):
    command = [
        *(sys.executable, bundle / "run.py", "--question", "which size ?"),
        *options,
    ]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2
    assert words in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "asked, words",
    [
        ({"formats": ("onnx",)}, "`formats` must be tflite where"),
        ({"quantize": "int8-full"}, "`quantize` must be one of none"),
    ],
)
def test_what_cannot_hold_a_decoder_is_refused(run, loaded, asked, words):
    with pytest.raises(ValueError, match=words):
        export.export(run, loaded.spec, loaded, run.parent / "no", **asked)


def test_no_search_within_a_budget_is_begun(run):
    with pytest.raises(ValueError, match="must have targets that are outputs"):
        shrink.shrink_run(run, run.parent / "small", shrink.Budget(size_kb=10))


def test_the_whole_evaluation_can_be_shown(run, data):
    result = runs.evaluate_run(run, data, baselines=False)
    entry = result["targets"]["answer"]
    assert entry["baselines"][0]["name"] == "commonest text"
    assert {s["name"] for s in entry["subsets"]} == {"only question"}
    page = (run / "evaluation" / "report.html").read_text(encoding="utf-8")
    assert "ROUGE-L" in page and "Perplexity" in page


def test_a_model_of_texts_saves_itself(model, loaded, tmp_path):
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    x, _, _ = next(iter(loaded.test))
    one, two = (m.predict_on_batch(x)["answer"] for m in (model, again))
    np.testing.assert_array_equal(one, two)
