"""The data report: each planted fault is found, and none in clean data."""

import csv
import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image

import mmkeras
from mmkeras.cli import main
from mmkeras.data import features_of, prepare
from mmkeras.spec import DataSpec
from mmkeras.studies.data_report import (
    FINDINGS,
    confident_joint,
    far_out,
    likely_wrong,
)

SPLITS = ("train", "train", "train", "validation", "test")
PICTURE = {"kind": "image", "column": "file", "height": 32, "width": 32}


def drawn(random, side):
    """Returns shades of one coarseness, `(64, 64, 3)`."""
    pixels = random.integers(0, 256, (side, side, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels).resize((64, 64), Image.BILINEAR)
    return np.asarray(picture, float)


def write_pictures(root, samples=40):
    """Writes pictures with coarse and fine shades; returns the rows."""
    root.mkdir()
    random = np.random.default_rng(0)
    rows = []
    for index in range(samples):
        pixels = sum(drawn(random, side) / 4 for side in (4, 8, 16, 32))
        picture = Image.fromarray(pixels.astype(np.uint8))
        picture.save(root / f"{index}.png")
        rows.append(
            {
                "id": f"s{index}",
                "file": f"{index}.png",
                "kind": ("ash", "elm")[index // 5 % 2],
                "split": SPLITS[index % 5],
                "patient": f"p{index}",
            }
        )
    return rows


def picture_spec(root, rows):
    """Writes the table and the TOML; returns the path of the TOML."""
    with open(root / "manifest.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0]])
        writer.writeheader()
        writer.writerows(rows)
    toml = root / "trees.toml"
    toml.write_text(
        'name = "trees"\n[data]\nid_column = "id"\nmax_bad_fraction = 0.5\n'
        '[split]\nmethod = "column"\ncolumn = "split"\ngroup = "patient"\n'
        '[modalities.picture]\nkind = "image"\ncolumn = "file"\n'
        "height = 32\nwidth = 32\n"
        '[targets.tree]\nkind = "category"\ncolumn = "kind"\n'
        'classes = ["ash", "elm"]\n'
    )
    return toml


def names_of(report):
    return [one["name"] for one in report["findings"]]


def add(rows, place, **changes):
    """Adds a row like another one, as a patient of its own."""
    new = f"s{len(rows)}"
    rows.append({**rows[place], "id": new, "patient": new, **changes})


def copy_of(root, rows):
    shutil.copy(root / "0.png", root / "copy.png")
    add(rows, 0, file="copy.png")


def leaked(root, rows):
    shutil.copy(root / "0.png", root / "copy.png")
    add(rows, 0, file="copy.png", split="test")


def smaller_jpeg(root, rows):
    picture = Image.open(root / "0.png").resize((48, 48))
    picture.save(root / "copy.jpg", quality=80)
    add(rows, 0, file="copy.jpg")


def jpeg_in_test(root, rows):
    Image.open(root / "0.png").save(root / "copy.jpg", quality=80)
    add(rows, 0, file="copy.jpg", split="test")


def other_label(root, rows):
    shutil.copy(root / "0.png", root / "copy.png")
    add(rows, 0, file="copy.png", kind="elm")


def absent_class(root, rows):
    for row in rows:
        if row["split"] == "train":
            row["kind"] = "ash"


def patient_in_two(root, rows):
    rows[3]["patient"] = "p0"


def broken(root, rows):
    whole = (root / "1.png").read_bytes()
    (root / "1.png").write_bytes(whole[: len(whole) // 2])


PLANTED = {
    copy_of: ["duplicates"],
    leaked: ["leak", "duplicates"],
    smaller_jpeg: ["near-duplicates"],
    jpeg_in_test: ["leak", "near-duplicates"],
    other_label: ["duplicates", "labels"],
    absent_class: ["classes"],
    patient_in_two: ["leak"],
    broken: ["quarantine"],
}


@pytest.mark.parametrize("fault", PLANTED, ids=lambda fault: fault.__name__)
def test_each_fault_of_pictures_is_found_and_no_other(tmp_path, fault):
    root = tmp_path / "trees"
    rows = write_pictures(root)
    fault(root, rows)
    report = mmkeras.inspect(picture_spec(root, rows))
    assert names_of(report) == PLANTED[fault]


def test_clean_pictures_have_no_finding_and_a_whole_page(tmp_path):
    root, out = tmp_path / "trees", tmp_path / "report"
    toml = picture_spec(root, write_pictures(root))
    report = mmkeras.inspect(toml, out=out)
    assert report["findings"] == []
    assert report["splits"] == {"train": 24, "validation": 8, "test": 8}
    classes = report["targets"]["tree"]["classes"]
    assert classes["ash"] == {"train": 12, "validation": 4, "test": 4}
    assert report["groups"]["count"] == 40
    numbers = {entry["name"]: entry for entry in report["numbers"]}
    # The file's own size, and not that of the spec.
    assert numbers["width_px"]["least"] == numbers["width_px"]["most"] == 64
    assert json.loads((out / "inspection.json").read_text()) == report
    page = (out / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 12
    assert "<script" not in page and 'src="http' not in page


def test_a_prepared_folder_says_the_same_as_its_spec(tmp_path):
    root, out = tmp_path / "trees", tmp_path / "data"
    rows = write_pictures(root)
    jpeg_in_test(root, rows)
    broken(root, rows)
    toml = picture_spec(root, rows)
    raw = mmkeras.inspect(toml)
    prepare(toml, out, workers=1)
    found = mmkeras.inspect(out, out=tmp_path / "report")
    assert names_of(found) == names_of(raw) == [
        "leak", "near-duplicates", "quarantine",
    ]  # fmt: skip
    for key in ("splits", "targets", "quarantine"):
        assert found[key] == raw[key], key
    # Nothing is written into the folder itself.
    mmkeras.inspect(out, out=tmp_path / "report")
    prepare(toml, out, workers=1)


def test_examples_name_samples_behind_one_that_cannot_be_read(tmp_path):
    root = tmp_path / "trees"
    rows = write_pictures(root)
    broken(root, rows)
    leaked(root, rows)
    report = mmkeras.inspect(picture_spec(root, rows))
    (group,) = report["alike"]["samples"]["exact"]["shared"]
    assert {one["id"]: one["split"] for one in group} == {
        "s0": "train", "s40": "test",
    }  # fmt: skip


def test_the_command_ends_with_2_on_what_it_must_not_have(tmp_path, capsys):
    root = tmp_path / "trees"
    rows = write_pictures(root)
    leaked(root, rows)
    toml = picture_spec(root, rows)
    assert main(["inspect", str(toml)]) == 0
    said = capsys.readouterr().out
    assert "'s0' (train) = 's40' (test)" in said
    assert (root / "trees.inspection" / "report.html").is_file()
    assert main(["inspect", str(toml), "--fail-on", "classes,labels"]) == 0
    assert main(["inspect", str(toml), "--fail-on", "leak"]) == 2
    assert "leak: 1 group of samples that are the same" in (
        capsys.readouterr().err
    )
    assert main(["inspect", str(toml), "--fail-on", "leek"]) == 2
    error = capsys.readouterr().err
    assert "Did you mean `leak`?" in error
    assert all(name in error for name in FINDINGS)
    # They are found by the answers of a run.
    assert main(["inspect", str(toml), "--fail-on", "wrong-labels"]) == 2
    assert "`run` must be given" in capsys.readouterr().err


def table(samples=200):
    random = np.random.default_rng(0)
    kind = np.array(["ash", "elm"])[np.arange(samples) % 2]
    return pd.DataFrame(
        {
            "a": random.normal(size=samples),
            # Skewed, which is no outlier.
            "b": np.exp(random.normal(size=samples)),
            "town": np.array(["Ulm", "Bonn", "Jena"])[
                random.integers(0, 3, samples)
            ],
            "height": random.normal(size=samples) + 3 * (kind == "elm"),
            "kind": kind,
        }
    )


def table_spec(**split):
    return DataSpec.from_dict(
        {
            "name": "table",
            "split": split,
            "modalities": {
                "row": {
                    "kind": "vector",
                    "columns": ["a", "b"],
                    "categorical": ["town"],
                }
            },
            "targets": {
                "kind": {
                    "kind": "category",
                    "column": "kind",
                    "classes": ["ash", "elm"],
                },
                "height": {"kind": "number", "column": "height"},
            },
        }
    )


def test_a_clean_table_has_no_finding():
    report = mmkeras.inspect(table(), table_spec())
    assert report["findings"] == []
    assert report["vocabulary"] == {"row": {"town": 3}}


@pytest.mark.parametrize(
    "column, value, name, place",
    [
        ("a", 1e30, "outliers", "row/a"),
        ("b", 1e30, "outliers", "row/b"),
        ("a", -1e6, "outliers", "row/a"),
        ("height", 1e30, "outliers", "height"),
    ],
)
def test_an_outlier_is_found_with_its_sample(column, value, name, place):
    rows = table()
    rows.loc[17, column] = value
    (one,) = mmkeras.inspect(rows, table_spec())["findings"]
    assert one["name"] == name and one["count"] == 1
    assert f"`{place}`" in one["text"] and "'17'" in one["text"]


def test_a_constant_column_is_found_and_missing_cells_are_counted():
    rows = table()
    rows["a"] = 2.5
    rows["town"] = "Ulm"
    rows.loc[:19, "b"] = np.nan
    report = mmkeras.inspect(rows, table_spec())
    (one,) = [o for o in report["findings"] if o["name"] == "constant"]
    assert one["text"].endswith("row/town, row/a") and one["count"] == 2
    assert report["missing"]["b"] == {"missing": 20, "of": 200}


def test_what_a_column_tells_of_a_target_is_measured():
    rows = table()
    rows["a"] = rows["height"] ** 3
    rows["b"] = (rows["kind"] == "elm").astype(float)
    found = {
        (one["column"], one["target"]): (one["measure"], one["value"])
        for one in mmkeras.inspect(rows, table_spec())["associations"]
    }
    assert found["row/a", "height"] == ("spearman", 1.0)
    assert found["row/b", "kind"] == ("eta squared", 1.0)
    assert found["row/town", "kind"][0] == "cramer"
    assert found["row/town", "kind"][1] < 0.2


def test_a_row_twice_is_seen_without_a_fingerprint():
    rows = table()
    rows = pd.concat([rows, rows.iloc[[3]].assign(kind="ash")])
    report = mmkeras.inspect(rows.reset_index(drop=True), table_spec())
    names = names_of(report)
    assert "duplicates" in names and "labels" in names


def text_spec(name="words"):
    return DataSpec.from_dict(
        {
            "name": name,
            "modalities": {
                "words": {
                    "kind": "text",
                    "column": "words",
                    "tokenizer": "word",
                    "max_tokens": 40,
                }
            },
            "targets": {
                "kind": {
                    "kind": "category",
                    "column": "kind",
                    "classes": ["ash", "elm"],
                }
            },
        }
    )


def texts(samples=60):
    random = np.random.default_rng(0)
    words = [f"w{i}" for i in range(80)]
    return pd.DataFrame(
        {
            "words": [" ".join(random.choice(words, 30)) for _ in
                      range(samples)],
            "kind": ["ash", "elm"] * (samples // 2),
        }
    )  # fmt: skip


def test_a_text_with_one_word_changed_is_nearly_the_same():
    rows = texts()
    assert mmkeras.inspect(rows, text_spec())["findings"] == []
    words = rows["words"][4].split()
    words[15] = "w3"
    rows.loc[60] = [" ".join(words), rows["kind"][4]]
    report = mmkeras.inspect(rows, text_spec())
    assert "near-duplicates" in names_of(report)
    (group,) = report["alike"]["modalities"]["words"]["near"]["groups"]
    assert {one["id"] for one in group} == {"4", "60"}


def test_a_softer_recording_with_noise_is_nearly_the_same(tmp_path):
    random = np.random.default_rng(0)
    rows, sounds = [], []
    for index in range(40):
        envelope = np.interp(
            np.arange(8000), np.linspace(0, 8000, 9), random.random(9)
        )
        sounds.append(0.1 * envelope * random.normal(size=8000))
    sounds.append(0.5 * sounds[7] + 1e-5 * random.normal(size=8000))
    for index, sound in enumerate(sounds):
        soundfile.write(tmp_path / f"{index}.wav", sound, 8000)
        rows.append({"file": f"{index}.wav", "kind": ("ash", "elm")[index % 2]})
    spec = text_spec().to_dict()
    spec["modalities"] = {
        "sound": {
            "kind": "audio",
            "column": "file",
            "sample_rate_hz": 8000,
            "duration_sec": 1.5,
        }
    }
    frame = pd.DataFrame(rows)
    report = mmkeras.inspect(frame, DataSpec.from_dict(spec), root=tmp_path)
    (group,) = report["alike"]["modalities"]["sound"]["near"]["groups"]
    assert {one["id"] for one in group} == {"7", "40"}
    numbers = {entry["name"]: entry for entry in report["numbers"]}
    assert numbers["duration_sec"]["most"] == 1.0
    assert numbers["clipped_share"]["most"] == 0
    # A third of the padded second and a half.
    assert numbers["silent_share"]["least"] >= 0.32


def test_a_missing_extra_is_said_and_the_rest_is_found(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "imagehash", None)
    root = tmp_path / "trees"
    rows = write_pictures(root)
    leaked(root, rows)
    report = mmkeras.inspect(picture_spec(root, rows))
    assert names_of(report) == ["leak", "duplicates"]
    (said,) = [one for one in report["said"] if "imagehash" in one]
    assert "pip install mmkeras[report]" in said and "`picture`" in said
    # What was not looked for is no clean bill.
    with pytest.raises(ValueError, match="`imagehash` must be installed"):
        mmkeras.inspect(root / "trees.toml", fail_on="near-duplicates")


def test_a_foreign_folder_is_left_alone(tmp_path):
    root = tmp_path / "trees"
    toml = picture_spec(root, write_pictures(root))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="`out` must be new"):
        mmkeras.inspect(toml, out=tmp_path / "mine")
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_labels_that_were_swapped_are_the_ones_contradicted():
    random = np.random.default_rng(0)
    true = random.integers(0, 3, 600)
    scores = 6 * np.eye(3)[true] + random.normal(size=(600, 3))
    chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    labels = true.copy()
    swapped = random.choice(600, 30, replace=False)
    labels[swapped] = (labels[swapped] + 1) % 3
    found = [row for row, _ in likely_wrong(labels, chances)]
    hits = len({*found} & {*swapped})
    # Of 30 swapped ones; the model itself is wrong in a few.
    assert hits >= 27 and len(found) <= 45
    assert {*found[:20]} <= {*swapped}
    joint, _ = confident_joint(labels, chances)
    assert joint.sum() <= 600 and np.trace(joint) >= 0.8 * joint.sum()


def test_a_class_that_nobody_has_is_no_answer():
    chances = np.array([[0.6, 0.0, 0.4], [0.2, 0.8, 0.0]])
    joint, found = confident_joint(np.array([0, 0]), chances)
    assert joint.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert found.tolist() == [0, -1]


@pytest.mark.parametrize(
    "draw",
    [
        lambda random: random.normal(size=2000),
        lambda random: random.exponential(size=2000),
        lambda random: np.exp(random.normal(size=2000)),
        lambda random: random.random(2000),
        lambda random: random.poisson(3, 2000).astype(float),
        lambda random: random.standard_normal(2000) * 1e-3 + 1e6,
    ],
)
def test_no_ordinary_distribution_has_outliers_and_1e30_is_one(draw):
    values = draw(np.random.default_rng(0))
    low, high = far_out(values)
    assert low < values.min() and values.max() < high
    low, high = far_out(np.append(values, 1e30))
    assert values.max() < high < 1e29


def test_too_few_or_equal_values_have_no_outliers():
    assert far_out(np.arange(5.0)) is None
    assert far_out(np.full(50, 2.0)) is None


def test_an_example_is_read_back_without_tensorflow(tmp_path):
    root, out = tmp_path / "trees", tmp_path / "data"
    toml = picture_spec(root, write_pictures(root))
    prepare(toml, out, workers=1)
    from mmkeras.data import intact_records

    payload = intact_records(out / "test-00000.tfrecord")[0][0]
    features = features_of(payload)
    assert features["sample/id"] == b"s4"
    assert len(features["picture"]) == 32 * 32 * 3


def test_it_runs_without_tensorflow(tmp_path):
    root = tmp_path / "trees"
    toml = picture_spec(root, write_pictures(root, 20))
    code = (
        "import sys, mmkeras\n"
        f"mmkeras.inspect({str(toml)!r}, out={str(tmp_path / 'out')!r})\n"
        "print(sorted({'tensorflow', 'keras'} & {*sys.modules}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert done.stdout == "[]\n", done.stderr[-2000:]
