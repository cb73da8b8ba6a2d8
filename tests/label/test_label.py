"""`mmkeras label`: who is asked about first, and the way back of the sheet."""

import csv

import keras
import numpy as np
import pytest
from data.data_toys import COLORS, read_rows, write_rows, write_set
from target_toys import target_of
from typer.testing import CliRunner

import mmkeras
from mmkeras.cli import app
from mmkeras.data import BadSample, Reason, load_data, prepare
from mmkeras.heads import Categories, Category, Number
from mmkeras.runs import describe_run
from mmkeras.studies.data_report import likely_wrong
from mmkeras.studies.label import (
    apply_labels,
    disagreement,
    find_name,
    judge,
    propose_labels,
    spellings,
    write_sheet,
)
from mmkeras.training import save_run

TOML = """
name = "toys"
[data]
id_column = "id"
[split]
train = 0.6
validation = 0.2
test = 0.2
[modalities.image]
kind = "image"
column = "image"
height = 8
width = 6
channels = 1
optional = true
[modalities.text]
kind = "text"
column = "text"
max_tokens = 12
vocabulary_size = 100
optional = true
[targets.color]
kind = "category"
column = "color"
classes = ["black", "grey", "white"]
[targets.tags]
kind = "categories"
column = "tags"
classes = ["black", "grey", "white"]
[targets.size]
kind = "number"
column = "size"
"""
HEADS = {
    "color": Category(3),
    "size": Number(mean=0.0, std=1.0),
    "tags": Categories(3),
}


def toy_model():
    keras.utils.set_random_seed(0)
    inputs = {
        "image": keras.Input((8, 6, 1), dtype="uint8", name="image"),
        "present": keras.Input((2,), name="present"),
        "text": keras.Input((12,), dtype="int32", name="text"),
    }
    pixels = keras.layers.Rescaling(1 / 255)(inputs["image"])
    parts = [
        keras.layers.Flatten()(pixels),
        keras.layers.Flatten()(keras.layers.Embedding(100, 4)(inputs["text"])),
        inputs["present"],
    ]
    x = keras.layers.Concatenate()(parts)
    return keras.Model(inputs, {n: h(x, n) for n, h in HEADS.items()})


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    """Data, half of whose labels are missing, and a run on them."""
    folder = tmp_path_factory.mktemp("label")
    write_set(folder / "root")
    rows = read_rows(folder / "root")
    for row in rows[::2]:
        row |= {"color": "", "tags": "", "size": ""}
    rows[2]["text"] = "=cmd() \x1b[31mred"
    rows[3]["image"] = rows[4]["image"] = ""
    write_rows(folder / "root", rows)
    spec = folder / "root" / "toys.toml"
    spec.write_text(TOML)
    prepare(spec, folder / "data", workers=1)
    data = load_data(folder / "data", augment=False)
    history = keras.callbacks.History()
    history.epoch, history.history = [0], {"loss": [1.0]}
    save_run(
        folder / "run",
        toy_model(),
        history,
        **describe_run(data, {}, "full", 0),
    )
    return folder


def read(path):
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_samples_without_a_label_come_the_least_sure_first(toys, tmp_path):
    rows = propose_labels(toys / "run", tmp_path / "a.csv")
    found = read(tmp_path / "a.csv")
    data = load_data(toys / "data", augment=False)
    model = toy_model()
    expected = {}
    ids = iter(data.ids("train"))
    for x, _, weights in data.ordered("train"):
        answers = model.predict_on_batch(x)
        for row, weight in enumerate(weights["color"].numpy()):
            name = next(ids)
            if weight == 0:
                expected[name, "color"] = answers["color"][row]
                expected[name, "tags"] = answers["tags"][row]
    assert {(row["id"], row["target"]) for row in rows} == set(expected)
    assert len(found) == len(rows) == len(expected)
    told = [float(row["informativeness"]) for row in found]
    assert told == sorted(told, reverse=True)
    for row in found:
        answer = expected[row["id"], row["target"]].astype(float)
        if row["target"] == "tags":
            likely = [c for c, p in zip(COLORS, answer) if p >= 0.5]
            # The separator alone means none of them, which is an answer.
            assert row["proposed"] == ("|".join(likely) or "|")
            sure = np.maximum(answer, 1 - answer)
            assert float(row["confidence"]) == pytest.approx(
                sure.min(), abs=1e-4
            )
            continue
        first, second = np.argsort(-answer)[:2]
        assert (row["proposed"], row["second"]) == (
            COLORS[first], COLORS[second],
        )  # fmt: skip
        assert float(row["confidence"]) == pytest.approx(
            answer[first], abs=1e-4
        )
        assert float(row["margin"]) == pytest.approx(
            answer[first] - answer[second], abs=1e-4
        )
        entropy = -(answer * np.log(answer)).sum() / np.log(3)
        assert float(row["informativeness"]) == pytest.approx(entropy, abs=1e-4)


def test_a_person_sees_the_files_and_an_empty_column(toys, tmp_path):
    source = toys / "root" / "toys.toml"
    propose_labels(toys / "run", tmp_path / "a.csv", source)
    found = {row["id"]: row for row in read(tmp_path / "a.csv")}
    assert all(row["label"] == "" for row in found.values())
    assert found["s6"]["image_file"] == "6.png"
    assert found["s6"]["text"].startswith("this is number 6")
    # Neither a spreadsheet nor a terminal acts on what a cell says.
    assert found["s2"]["text"] == "'=cmd() \\x1b[31mred"
    assert (tmp_path / "a.csv").read_bytes()[:3] == b"\xef\xbb\xbf"


def test_an_absent_modality_does_not_vote(toys, tmp_path):
    source = toys / "root" / "toys.toml"
    propose_labels(
        toys / "run", tmp_path / "a.csv", source, strategy="disagreement"
    )
    found = [r for r in read(tmp_path / "a.csv") if r["target"] == "color"]
    rows = {row["id"]: row for row in found}
    assert rows["s4"]["image_vote"] == rows["s4"]["image_confidence"] == ""
    assert float(rows["s4"]["informativeness"]) == 0
    assert rows["s4"]["text_vote"] in COLORS
    assert rows["s6"]["image_vote"] in COLORS
    assert float(found[0]["informativeness"]) > 0


def test_new_samples_are_read_as_the_prepared_ones_were(toys, tmp_path):
    """The same samples, by their shards and by their files: one answer."""
    propose_labels(toys / "run", tmp_path / "a.csv", toys / "data")
    propose_labels(
        toys / "run", tmp_path / "b.csv", toys / "root" / "toys.toml"
    )
    told = [
        {(r["id"], r["target"]): r["informativeness"] for r in read(path)}
        for path in (tmp_path / "a.csv", tmp_path / "b.csv")
    ]
    assert set(told[0]) < set(told[1])
    for key, value in told[0].items():
        assert told[1][key] == value


def test_doubt_looks_for_wrong_labels_among_those_there(toys, tmp_path):
    rows = propose_labels(toys / "run", tmp_path / "a.csv", strategy="doubt")
    color = [row for row in rows if row["target"] == "color"]
    assert color and all(row["known"] in COLORS for row in color)
    for row in color:
        if row["known"] == row["proposed"]:
            assert row["informativeness"] == pytest.approx(
                1 - row["confidence"]
            )
        else:
            assert row["informativeness"] >= row["confidence"]


def test_the_data_report_lists_labels_that_the_run_contradicts(toys):
    found = mmkeras.inspect(toys / "data", run=toys / "run")["wrong_labels"]
    data = load_data(toys / "data", augment=False)
    model = mmkeras.load_model(toys / "run")
    ids, labels, chances = [], [], []
    # The run was trained on the others.
    for split in ("validation", "test"):
        ids += data.ids(split)
        for x, y, weights in getattr(data, split):
            known = weights["color"].numpy() > 0
            labels += np.where(known, y["color"], -1).tolist()
            chances += model.predict_on_batch(x)["color"].tolist()
    labels, chances = np.array(labels), np.array(chances)
    rows = np.flatnonzero(labels >= 0)
    assert found["color"]["samples"] == len(rows) > 0
    expected = likely_wrong(labels[rows], chances[rows])
    assert [(one["id"], one["answer"]) for one in found["color"]["wrong"]] == [
        (ids[rows[row]], COLORS[answer]) for row, answer in expected
    ]
    # Of three classes at once, each is a question.
    assert found["tags"]["samples"] == 3 * len(rows)
    assert {*found} == {"color", "tags"}


def test_everything_and_a_limit(toys, tmp_path):
    some = propose_labels(toys / "run", tmp_path / "a.csv")
    rows = propose_labels(toys / "run", tmp_path / "b.csv", everything=True)
    assert len(rows) > len(some)
    assert {row["known"] == "" for row in rows} == {True, False}
    few = propose_labels(toys / "run", tmp_path / "c.csv", limit=3)
    assert few == some[:3]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"strategy": "random"}, "one of entropy, margin"),
        ({"limit": 0}, "`limit` must be a positive integer"),
        ({"split": "tset"}, "test, train, validation"),
    ],
)
def test_wrong_arguments_are_one_message(toys, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        propose_labels(toys / "run", tmp_path / "a.csv", **arguments)
    assert not (tmp_path / "a.csv").exists()


def test_without_a_sample_that_can_be_read_it_says_so(
    toys, tmp_path, monkeypatch
):
    def broken(*_):
        raise BadSample(Reason.CORRUPT, "")

    monkeypatch.setattr("mmkeras.studies.label.pool._inputs", broken)
    with pytest.raises(ValueError, match="There must be samples that can be"):
        propose_labels(
            toys / "run", tmp_path / "a.csv", toys / "root" / "toys.toml"
        )


def test_a_sheet_that_is_there_is_never_written_over(toys, tmp_path):
    (tmp_path / "a.csv").write_text("an afternoon of work")
    with pytest.raises(ValueError, match="must not exist"):
        propose_labels(toys / "run", tmp_path / "a.csv")


def test_samples_of_another_spec_are_refused(toys, tmp_path):
    other = toys / "root" / "other.toml"
    other.write_text(TOML.replace("height = 8", "height = 9"))
    with pytest.raises(ValueError, match="`modalities.image` must be as"):
        propose_labels(toys / "run", tmp_path / "a.csv", other)


# How informative an answer is: numbers by hand.


def test_each_strategy_is_its_formula():
    p = np.array([[[0.5, 0.3, 0.2]], [[0.9, 0.06, 0.04]]])
    entropy = -(p * np.log(p)).sum(axis=-1)[:, 0] / np.log(3)
    expected = {
        "entropy": entropy,
        "margin": [0.8, 0.16],
        "confidence": [0.5, 0.1],
        "doubt": [0.7, 0.96],
    }
    for strategy, ranks in expected.items():
        found = judge(strategy, p, known=np.array([[1], [2]]))
        np.testing.assert_allclose(found["informativeness"], ranks)


def test_of_several_questions_the_least_sure_counts():
    p = target_of("categories").probabilities(np.array([[0.9, 0.4]]))
    found = judge("margin", p)
    assert found["first"].tolist() == [[1, 0]]
    assert found["confidence"] == pytest.approx(0.6)
    assert found["margin"] == pytest.approx(0.2)


def test_disagreement_is_one_where_two_are_sure_of_different_classes():
    sure = np.eye(3)
    votes = np.array([
        [[sure[0]], [sure[0]], [sure[0]], [np.full(3, 1 / 3)]],
        [[sure[1]], [sure[0]], [sure[1]], [np.full(3, 1 / 3)]],
    ])  # fmt: skip
    present = np.array([[1, 1, 1, 1], [1, 1, 0, 1]], bool)
    found = disagreement(votes, present)
    np.testing.assert_allclose(found, [1, 0, 0, 0], atol=1e-9)


# The way back.


@pytest.fixture
def sheet(toys, tmp_path):
    def write(*rows, name="filled.csv", separator=","):
        columns = ["id", "target", "label", "proposed"]
        lines = [separator.join(columns)]
        lines += [separator.join(row) for row in rows]
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        return tmp_path / name

    write.spec = toys / "root" / "toys.toml"
    return write


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_what_a_person_wrote_comes_into_a_new_manifest(
    sheet, tmp_path, separator
):
    filled = sheet(
        ("s0", "color", "white", "grey"),
        ("s2", "color", "OK", "grey"),
        ("s4", "color", "", "grey"),
        ("s2", "tags", "white|black", "grey"),
        separator=separator,
    )
    before = read(sheet.spec.parent / "manifest.csv")
    counts = apply_labels(sheet.spec, filled, tmp_path / "new.csv")
    assert counts == {"color": 2, "tags": 1}
    after = read(tmp_path / "new.csv")
    assert after[0]["color"] == "white"
    assert (after[2]["color"], after[2]["tags"]) == ("grey", "white|black")
    for old, new in zip(before, after, strict=True):
        if old["id"] not in ("s0", "s2"):
            assert old == new
        assert old["text"] == new["text"]
    assert read(sheet.spec.parent / "manifest.csv") == before


@pytest.mark.parametrize(
    "row, message",
    [
        (("s99", "color", "white", ""), "line 2: no sample has the id 's99'"),
        (("s0", "color", "whit", ""), "line 2: 'whit' is no class.*`white`"),
        (("s0", "size", "3", ""), "line 2: 'size' is no target with classes"),
        (("s0", "tags", "white|pink", ""), "line 2: 'pink' is no class"),
        (("s1", "color", "white", ""), "line 2: `color` is 'grey' already"),
        (("s0", "color", "\x1b[31m", ""), r"line 2: '\\x1b"),
    ],
)
def test_what_does_not_fit_is_told_with_its_line(sheet, tmp_path, row, message):
    with pytest.raises(ValueError, match=message) as error:
        apply_labels(sheet.spec, sheet(row), tmp_path / "new.csv")
    assert not (tmp_path / "new.csv").exists()
    assert "\x1b" not in str(error.value)


def test_all_faults_are_told_at_once(sheet, tmp_path):
    filled = sheet(
        ("s0", "color", "white", ""),
        ("s0", "color", "grey", ""),
        ("s2", "color", "pink", ""),
    )
    with pytest.raises(ValueError, match="(?s)line 3: 's0' has two.*line 4"):
        apply_labels(sheet.spec, filled, tmp_path / "new.csv")


def test_a_label_that_is_there_changes_only_when_told_to(sheet, tmp_path):
    filled = sheet(("s1", "color", "white", ""))
    assert apply_labels(
        sheet.spec, filled, tmp_path / "new.csv", replace=True
    ) == {"color": 1}
    assert read(tmp_path / "new.csv")[1]["color"] == "white"
    with pytest.raises(ValueError, match="must not exist"):
        apply_labels(sheet.spec, filled, tmp_path / "new.csv", replace=True)


@pytest.mark.parametrize(
    "text, message",
    [
        ("id,target\ns0,color\n", "without label, proposed"),
        ("id,target,label,proposed\n", "have labels in its column"),
    ],
)
def test_a_file_that_is_no_sheet(sheet, tmp_path, text, message):
    (tmp_path / "odd.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        apply_labels(sheet.spec, tmp_path / "odd.csv", tmp_path / "new.csv")


def test_another_encoding_is_one_message(sheet, tmp_path):
    (tmp_path / "odd.csv").write_bytes("id,target,label\nä".encode("cp1252"))
    with pytest.raises(ValueError, match="CSV UTF-8"):
        apply_labels(sheet.spec, tmp_path / "odd.csv", tmp_path / "new.csv")


def test_spreadsheets_change_names_and_they_are_found_all_the_same():
    places = spellings(["001", "true", "-1", "=x", "7", "07"])
    found = {
        text: find_name(places, text)
        for text in ("1", "TRUE", "-1", "'-1", "'=x", "7", "07", "007", "2")
    }
    assert found == {
        "1": 0, "TRUE": 1, "-1": 2, "'-1": 2, "'=x": 3, "7": 4, "07": 5,
        # Two names look like it.
        "007": None, "2": None,
    }  # fmt: skip


def test_a_sheet_comes_back_as_it_was_written(toys, tmp_path):
    rows = propose_labels(toys / "run", tmp_path / "a.csv", limit=5)
    color = [r for r in rows if r["target"] == "color"]
    for row in color:
        row["label"] = "ok"
    write_sheet(tmp_path / "filled.csv", color)
    counts = apply_labels(
        toys / "root" / "toys.toml", tmp_path / "filled.csv", tmp_path / "n.csv"
    )
    assert counts == {"color": len(color)}
    labels = {row["id"]: row["color"] for row in read(tmp_path / "n.csv")}
    for row in color:
        assert labels[row["id"]] == row["proposed"]


def test_the_commands(toys, tmp_path):
    def run(*arguments):
        found = CliRunner().invoke(app, [str(each) for each in arguments])
        return found.exit_code, found.output

    spec, out = toys / "root" / "toys.toml", tmp_path / "a.csv"
    code, told = run("label", toys / "run", spec, "--limit", 9, "--out", out)
    assert code == 0 and "9 proposals" in told
    assert f"mmkeras apply-labels {spec} {out} --out" in told.replace("\n", " ")
    rows = read(out)
    assert list(rows[0])[:6] == [
        "id", "target", "image_file", "text", "label", "proposed",
    ]  # fmt: skip
    color = [row | {"label": "ok"} for row in rows if row["target"] == "color"]
    write_sheet(out, color)
    new = tmp_path / "new.csv"
    code, told = run("apply-labels", spec, out, "--out", new)
    assert code == 0 and new.exists()
    assert f"color: {len(color)} labels" in told
