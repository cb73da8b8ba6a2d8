"""The page, the table and the pictures of a comparison."""

import csv
import json
import re

import pytest
from compare_toys import COUNTS, TARGETS, toy

from mmkeras import artefact
from mmkeras.studies.compare import (
    as_text,
    compact_number,
    render_report,
    summarise,
    write_comparison,
)

SKILLS = {"full": 0.6, "component": 0.8, "image_alone": 0.5, "sound_alone": 0.4}


@pytest.fixture(scope="module")
def report():
    header, results, answers = toy(SKILLS, fractions=(0.1, 1.0), seeds=3)
    return summarise(header, results, TARGETS, answers, {"animal": COUNTS})


@pytest.fixture(scope="module")
def folder(report, tmp_path_factory):
    out = tmp_path_factory.mktemp("comparison")
    write_comparison(out, report)
    return out


def test_the_answer_stands_before_anything_else(folder):
    page = (folder / "report.html").read_text()
    body = page[page.index("<body>") :]
    answer = body.index("<b>component</b> is better than <b>full</b>")
    assert answer < body.index("<table>") < body.index("<svg")


def test_the_page_runs_no_script_and_asks_no_network(folder):
    page = (folder / "report.html").read_text()
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="https?:', page)


def test_names_cannot_become_markup(report):
    evil = "<img src=x onerror=alert(1)>"
    changed = json.loads(
        json.dumps(report)
        .replace('"ant"', json.dumps(evil))
        .replace('"data": "zoo"', f'"data": {json.dumps(evil)}')
    )
    page, _ = render_report(changed)
    assert "<img" not in page
    assert "&lt;img src=x" in page


def test_there_is_a_picture_a_question(folder):
    names = {path.stem for path in folder.glob("*.png")}
    assert names == {
        "result_animal", "pairs_animal", "labels_animal", "budget_1_animal",
        "budget_0.1_animal", "absent_animal", "noise_image_animal",
        "noise_sound_animal", "classes_animal", "cost",
    }  # fmt: skip
    for path in folder.glob("*.png"):
        assert path.read_bytes()[:4] == b"\x89PNG"
    page = (folder / "report.html").read_text()
    assert page.count("<svg") == len(names)
    # Colours follow the page, whichever theme it has.
    assert "var(--arm0)" in page and "#111111" not in page


def test_one_fraction_has_no_picture_of_labels():
    header, results, answers = toy({"full": 0.6, "component": 0.8}, seeds=2)
    report = summarise(header, results, TARGETS, answers, {"animal": COUNTS})
    _, pictures = render_report(report)
    assert not [p for p in pictures if p.name.startswith("labels")]


def test_the_folder_is_whole_and_proved(folder, report):
    manifest = artefact.read_manifest(folder, "comparison")
    assert {"compare.json", "table.csv", "report.html", "cost.png"} <= set(
        manifest["files"]
    )
    assert json.loads((folder / "compare.json").read_text()) == report


def test_the_table_has_a_row_an_arm_and_fraction(folder):
    with open(folder / "table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9
    assert rows[-1]["arm"] == "majority class" and rows[-1]["labels"] == ""
    assert 0 < float(rows[-1]["mean"]) < 1
    row = next(r for r in rows if r["arm"] == "component")
    assert row["labels"] == "0.1" and row["seeds"] == "3"
    assert row["metric"] == "accuracy" and row["samples"] == "600"


def test_the_terminal_gets_table_and_conclusion(report):
    text = as_text(report)
    assert re.search(r"component +0\.800  0\.7\d\d to 0\.8\d\d", text)
    assert "majority class" in text
    assert "`component` is better than `full`" in text


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (None, "–"), (3.14159, "3.14"), (64_000, "64,000"),
        (3_210_000_000, "3.2 · 10⁹"),
    ],
)  # fmt: skip
def test_large_numbers_are_readable(value, wanted):
    assert compact_number(value) == wanted
