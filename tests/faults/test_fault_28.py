"""Fault 28: a sheet of labels is misread for no id and no class."""

import csv
import itertools
import os
import textwrap

import pytest

from mmkeras.escaping import cell
from mmkeras.studies.label import apply_labels, write_sheet

IDS = ["=x", "'=x", "''=x", "7", "07", "007", "true", "TRUE", "a;=b", "a;'=b",
       "＝x", "-1", "a\\x1b", "a\\\\x1b"]  # fmt: skip
CLASSES = ["ok", "scratch", "=x", "'=x", "01", "1"]


@pytest.fixture
def spec(tmp_path):
    """A spec whose samples have no label yet."""
    with open(tmp_path / "m.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", "t", "c"]] + [
            [name, "a text", ""] for name in IDS])  # fmt: skip
    classes = ", ".join(f'"{c}"' for c in CLASSES)
    (tmp_path / "s.toml").write_text(
        textwrap.dedent(f"""
        name = "toy"
        [data]
        manifest = "m.csv"
        id_column = "id"
        [modalities.t]
        kind = "text"
        column = "t"
        max_tokens = 8
        vocabulary_size = 100
        [targets.c]
        kind = "category"
        column = "c"
        classes = [{classes}]
    """)
    )
    return tmp_path / "s.toml"


def applied(spec, sheet) -> dict[str, str]:
    """The labels by id that a sheet gives."""
    out = spec.with_name("out.csv")
    out.unlink(missing_ok=True)
    apply_labels(spec, sheet, out)
    with open(out, newline="", encoding="utf-8") as file:
        return {r["id"]: r["c"] for r in csv.DictReader(file) if r["c"]}


def filled(spec, rows, change=lambda row: row):
    """A sheet as `label` writes it, changed row by row as by a spreadsheet."""
    path = spec.with_name("sheet.csv")
    write_sheet(path, [
        {"id": i, "target": "c", "label": "", "proposed": p} for i, p, _ in rows
    ])  # fmt: skip
    with open(path, newline="", encoding="utf-8-sig") as file:
        found = list(csv.DictReader(file))
    for row, (_, _, label) in zip(found, rows, strict=True):
        row["label"] = label
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(found[0]))
        writer.writeheader()
        writer.writerows(map(change, found))
    return path


def as_spreadsheets_do(row):
    """Numbers lose their zeros, true becomes TRUE."""
    text = row["id"]
    if text.isdecimal():
        text = str(int(text))
    if text.casefold() == "true":
        text = "TRUE"
    return {**row, "id": text}


@pytest.mark.parametrize("change", [dict, as_spreadsheets_do])
def test_no_two_ids_meet(spec, change):
    labels = itertools.cycle(["scratch", "01"])
    rows = [(name, "scratch", label) for name, label in zip(IDS, labels)]
    assert applied(spec, filled(spec, rows, change)) == {
        name: label for name, _, label in rows
    }


def test_a_row_about_two_samples_is_refused(spec):
    def swapped(row):
        return {**row, "id": "7"}

    with pytest.raises(ValueError, match="line 2: no sample.*and the check"):
        applied(spec, filled(spec, [("'=x", "scratch", "ok")], swapped))


@pytest.mark.parametrize("proposed", ["scratch", "=x", "'=x", "01", "1"])
def test_ok_is_not_taken_for_a_class_of_that_name(spec, proposed):
    for word in ("ok", "OK", " Ok "):
        sheet = filled(spec, [("7", proposed, word)])
        with pytest.raises(ValueError, match="line 2: 'O?o?k?K?'.*in quotes"):
            applied(spec, sheet)
    assert applied(spec, filled(spec, [("7", proposed, '"ok"')])) == {"7": "ok"}
    written = cell(proposed)
    sheet = filled(spec, [("7", proposed, written)])
    assert applied(spec, sheet) == {"7": proposed}
    assert applied(spec, filled(spec, [("7", "ok", "ok")])) == {"7": "ok"}


def test_rows_that_are_none_are_refused_by_their_number(spec, tmp_path):
    path = tmp_path / "x.csv"
    header = "id,target,label,proposed\n"
    for text, message in {
        header + "7,c,01,1\n7,c,01," + "x" * 131_073: "line 3: field",
        header + "7,c,scratch,1,more\n": "line 2: more cells",
        header + "7,c,\x1b[31m,1\n": r"line 2: '\\x1b",
        "id,target,label,label,proposed\n7,c,1,1,1\n": "`label` twice",
    }.items():
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            applied(spec, path)


def test_what_is_no_file_is_refused_at_once(spec, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/zero", tmp_path / "pipe", tmp_path, tmp_path / "none"):
        with pytest.raises(ValueError, match="must be a CSV file"):
            apply_labels(spec, path, tmp_path / "out.csv")
