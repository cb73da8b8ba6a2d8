"""Tables as people have them: every way to write one gives the same samples."""

import gzip
import importlib.util
import json
import unicodedata
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from data.data_toys import COLUMNS, make_spec, read_rows, write_set

from mmkeras.data import (
    BadSample,
    SampleIO,
    open_manifest,
    read_inside,
    read_manifest,
    read_targets,
)


@pytest.fixture
def root(tmp_path):
    write_set(tmp_path, 6)
    return tmp_path


def csv_text(rows, separator=",", comma=False) -> str:
    def cell(value):
        text = str(value)
        text = text.replace(".", ",") if comma and text[:1].isdigit() else text
        return f'"{text}"' if separator in text else text

    lines = [separator.join(COLUMNS)]
    lines += [separator.join(cell(row[c]) for c in COLUMNS) for row in rows]
    return "\n".join(lines) + "\n"


def json_lines(rows) -> str:
    typed = [
        {**row, "v1": float(row["v1"]), "tags": row["tags"].split("|")}
        for row in rows
    ]
    return "\n".join(map(json.dumps, typed)) + "\n"


WRITTEN = {
    "semicolon": lambda rows: csv_text(rows, ";").encode(),
    "tab": lambda rows: csv_text(rows, "\t").encode(),
    "bar": lambda rows: csv_text(rows, "|").encode(),
    "bom": lambda rows: csv_text(rows).encode("utf-8-sig"),
    "utf-16": lambda rows: csv_text(rows, "\t").encode("utf-16"),
    "utf-32": lambda rows: csv_text(rows).encode("utf-32"),
    "utf-16 without a mark": lambda rows: csv_text(rows).encode("utf-16-be"),
    "gz": lambda rows: gzip.compress(csv_text(rows, ";").encode()),
    "json lines": lambda rows: json_lines(rows).encode(),
    "json": lambda rows: json.dumps(rows).encode(),
    "json lines, gz": lambda rows: gzip.compress(json_lines(rows).encode()),
    "blanks": lambda rows: csv_text(rows).replace(",", ", ").encode(),
}


@pytest.mark.parametrize("way", WRITTEN)
def test_however_it_is_written_it_is_the_same_table(root, way):
    expected = read_manifest(make_spec(), root).to_dict("list")
    rows = [{**row, "text": row["text"].replace(",", "")} for row in
            read_rows(root)]  # fmt: skip
    expected["text"] = [row["text"] for row in rows]
    # The name is no help: it may be wrong.
    (root / "manifest.csv").write_bytes(WRITTEN[way](rows))
    found = open_manifest(make_spec(), root)
    assert found.table.to_dict("list") == expected
    plain = way in ("bom", "json lines", "json", "json lines, gz", "blanks")
    assert bool(found.said) != plain


def test_what_is_found_is_said_and_what_is_declared_is_not(root):
    text = csv_text(read_rows(root), ";", comma=True)
    (root / "manifest.csv").write_bytes(text.encode("utf-16"))
    found = open_manifest(make_spec(), root)
    assert found.said == (
        "read as UTF-16 (`data.encoding`), semicolon between cells "
        "(`data.separator`)",
        "12 numbers of `size`, `v1` read with a decimal comma (`data.decimal`)",
    )
    assert found.table["v1"].tolist()[:3] == ["0.0", "0.25", "0.5"]
    declared = make_spec(
        data__encoding="utf-16", data__separator=";", data__decimal=","
    )
    again = open_manifest(declared, root)
    assert again.said == () and again.table.equals(found.table)


def test_latin_1_is_read_where_it_is_declared(root):
    raw = csv_text(read_rows(root)).replace("number 2", "Köln")
    (root / "manifest.csv").write_bytes(raw.encode("latin-1"))
    table = read_manifest(make_spec(data__encoding="latin-1"), root)
    assert "Köln" in table["text"].iloc[2]


@pytest.mark.parametrize(
    "cells, read",
    [
        (["1,5", "2"], ["1.5", "2"]),
        (["1,5e3", "-0,25"], ["1.5e3", "-0.25"]),
        # A thousand or a fraction? Nobody knows, so it is no number.
        (["1,234", "5,678"], ["1,234", "5,678"]),
        (["1,234", "5,6"], ["1.234", "5.6"]),
        (["1,5", "2.5"], ["1,5", "2.5"]),
        (["1.234,5", "2"], ["1.234,5", "2"]),
    ],
)
def test_a_comma_in_a_number(root, cells, read):
    rows = read_rows(root)
    for i, row in enumerate(rows):
        row |= {"v1": cells[i % 2], "v2": "1", "size": "2"}
    (root / "manifest.csv").write_text(csv_text(rows))
    table = read_manifest(make_spec(), root)
    assert table["v1"].tolist() == read * 3


def test_with_a_declared_comma_a_point_makes_no_number(root):
    rows = [{**row, "size": "1.234"} for row in read_rows(root)]
    (root / "manifest.csv").write_text(csv_text(rows))
    spec = make_spec(data__decimal=",")
    *_, bad = read_targets(spec, read_manifest(spec, root))
    assert [fault[2] for fault in bad] == ["not_a_number"] * 6
    assert "1.234" in bad[0][3] and "decimal comma" in bad[0][3]


@pytest.mark.parametrize("cell", ["1_000", "1_0", "_1", "0x10", "1 0"])
def test_what_python_alone_reads_is_no_number(root, cell):
    rows = read_rows(root)
    rows[1] |= {"v1": cell, "size": cell}
    (root / "manifest.csv").write_text(csv_text(rows))
    spec = make_spec()
    table = read_manifest(spec, root)
    values, weights, bad = read_targets(spec, table)
    assert bad == [(1, "size", "not_a_number", repr(cell))]
    assert weights["size"].tolist() == [1, 0, 1, 1, 1, 1]
    vector = spec.modalities["vector"]
    with pytest.raises(BadSample, match="not_a_number"):
        vector.read(table.iloc[1].to_dict(), SampleIO(str(root)))


@pytest.mark.parametrize("cell", ["?", "NA", "None", "nan", "N/A", " ? "])
def test_what_can_only_be_missing_is_missing_and_counted(root, cell):
    rows = read_rows(root)
    rows[1] |= {"v1": cell, "size": cell, "color": cell, "text": "None"}
    (root / "manifest.csv").write_text(csv_text(rows))
    spec = make_spec()
    found = open_manifest(spec, root)
    values, weights, bad = read_targets(spec, found.table)
    assert not bad
    for name in ("size", "color"):
        assert weights[name].tolist() == [1, 0, 1, 1, 1, 1]
    assert found.table["v1"].iloc[1] == "" and len(found.said) == 3
    assert "1 cells of `v1` read as missing: 1" in found.said[0]
    assert found.table["text"].iloc[1] == "None"


def test_declared_missing_is_missing_in_every_column_and_nothing_else(root):
    rows = read_rows(root)
    rows[1] |= {"v1": "-9", "image": "-9"}
    rows[2] |= {"size": "NA"}
    (root / "manifest.csv").write_text(csv_text(rows))
    spec = make_spec(data__missing=["-9"])
    table = read_manifest(spec, root)
    assert table["v1"].iloc[1] == table["image"].iloc[1] == ""
    assert [f[:3] for f in read_targets(spec, table)[2]] == [
        (2, "size", "not_a_number")
    ]


def test_a_class_called_none_is_a_class(root):
    rows = [{**row, "color": "None"} for row in read_rows(root)]
    (root / "manifest.csv").write_text(csv_text(rows))
    spec = make_spec(targets__color__classes=["None", "some"])
    found = open_manifest(spec, root)
    assert read_targets(spec, found.table)[1]["color"].all()


def test_a_class_is_found_by_its_name_written_otherwise(root):
    rows = read_rows(root)
    cells = ["Black", " grey", "WHITE ", "black", "grey", "white"]
    for row, cell in zip(rows, cells, strict=True):
        row |= {"color": cell, "tags": f"{cell}| black"}
    (root / "manifest.csv").write_text(csv_text(rows))
    found = open_manifest(make_spec(), root)
    values, _, bad = read_targets(make_spec(), found.table)
    assert not bad and values["color"].tolist() == [0, 1, 2, 0, 1, 2]
    tags = make_spec().targets["tags"]
    assert tags.split(found.table["tags"].iloc[2]) == ["white", "black"]
    assert "`color`: 'Black' read as the class 'black', 1 times" in found.said


def test_two_classes_that_differ_in_case_alone_are_told_apart(root):
    rows = [{**row, "color": "B"} for row in read_rows(root)]
    rows[0]["color"] = "BB"
    rows[1]["color"] = "Bb"
    (root / "manifest.csv").write_text(csv_text(rows))
    spec = make_spec(targets__color__classes=["b", "B", "bb", "bB"])
    values, _, bad = read_targets(spec, read_manifest(spec, root))
    assert values["color"].tolist()[2:] == [1] * 4
    assert [row for row, *_ in bad] == [0, 1]


def test_numbers_that_name_classes_may_have_gained_a_point(root):
    frame = pd.DataFrame(read_rows(root)).assign(color=[1, 0, None, 1, 0, 1])
    frame.to_parquet(root / "manifest.csv")
    spec = make_spec(targets__color__classes=["0", "1"])
    values, weights, bad = read_targets(spec, read_manifest(spec, root))
    assert not bad and weights["color"].tolist() == [1, 1, 0, 1, 1, 1]
    assert values["color"].tolist() == [1, 0, 0, 1, 0, 1]


def test_a_list_in_parquet_is_a_list_of_labels(root):
    frame = pd.DataFrame(read_rows(root))
    frame["tags"] = [row.split("|") for row in frame["tags"]]
    frame.at[0, "tags"] = np.array([], object)
    frame.to_parquet(root / "manifest.csv")
    table = read_manifest(make_spec(), root)
    assert table["tags"].tolist()[:3] == ["|", "black|grey", "black|grey|white"]


def test_other_names_of_splits(root):
    rows = [
        {**row, "group": name}
        for row, name in zip(
            read_rows(root),
            ["train", "Training", "val", "valid", "dev", "test "],
            strict=True,
        )
    ]
    (root / "manifest.csv").write_text(csv_text(rows))
    spec = make_spec(split={"method": "column", "column": "group"})
    found = open_manifest(spec, root)
    assert found.table["group"].tolist() == [
        *("train", "train", "validation", "validation", "validation", "test")
    ]
    assert "`split`: 'val' read as 'validation', 1 times" in found.said


@pytest.mark.parametrize("stored", ["NFC", "NFD"])
def test_a_file_is_found_by_the_names_of_other_systems(tmp_path, stored):
    folder = tmp_path / unicodedata.normalize(stored, "größe")
    folder.mkdir()
    (folder / unicodedata.normalize(stored, "é.png")).write_bytes(b"here")
    plain = unicodedata.normalize("NFC", "größe/é.png")
    apart = unicodedata.normalize("NFD", "größe/é.png")
    for name in (
        plain, apart, plain.replace("/", "\\"), str(tmp_path / apart),
    ):  # fmt: skip
        assert read_inside(tmp_path, name) == b"here"


def test_an_absolute_path_outside_stays_outside(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "inside2").write_bytes(b"secret")
    for name in (
        str(tmp_path / "inside2"), f"{inside}/../inside2", "/etc/passwd",
        "..\\inside2",
    ):  # fmt: skip
        with pytest.raises(BadSample, match="path_"):
            read_inside(inside, name)


@pytest.mark.parametrize(
    "content, message",
    [
        (b'{"id": 1}\n{"id": \n', "line 2 is no JSON"),
        (b"[1, 2]", "not an object a row"),
        (gzip.compress(b"id,image\n", mtime=0)[:-6], "gzip"),
        (b"PAR1 and no more", "manifest"),
    ],
)
def test_a_damaged_table_is_one_message(root, content, message):
    (root / "manifest.csv").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_manifest(make_spec(), root)


@pytest.mark.parametrize(
    "key, value",
    [("encoding", "utf-99"), ("encoding", "hex"), ("decimal", "·")],
)
def test_a_wrong_key_is_one_message(key, value):
    with pytest.raises(ValueError, match=f"data.{key}"):
        make_spec(**{f"data__{key}": value})


def test_groups_are_trimmed_and_unknown_ones_counted(root):
    rows = read_rows(root)
    groups = ["p1", "p1 ", " p1", "NA", "", "p2"]
    for row, group in zip(rows, groups, strict=True):
        row["group"] = group
    (root / "manifest.csv").write_text(csv_text(rows))
    found = open_manifest(make_spec(split__group="group"), root)
    assert found.table["group"].tolist() == ["p1", "p1", "p1", "", "", "p2"]
    assert found.said == (
        "`split`: 2 samples have no `group`; they stay together, as one group",
    )


def test_the_device_takes_the_same_cells_for_missing(root, monkeypatch):
    rows = read_rows(root)
    for row, cell in zip(rows, ["a", "a", "?", "NA", "b", "b"], strict=True):
        row["group"] = cell
    rows[1]["v1"] = "?"
    (root / "manifest.csv").write_text(csv_text(rows))
    keys = {"kind": "vector", "columns": ["v1"], "categorical": ["group"]}
    spec = make_spec(modalities__vector=keys)
    vector, table = spec.modalities["vector"], read_manifest(spec, root)
    learned = vector.learn(table, SampleIO(str(root)))
    io = SampleIO(str(root), learned=vector.open_learned(learned))
    data = SimpleNamespace(
        spec=spec, statistics={"modalities": {"vector": learned.facts}}
    )
    files = vector.device_files("vector", data)
    for name, value in files.items():
        (root / name).write_text(json.dumps(value))
    monkeypatch.syspath_prepend(vector.device_path().parents[3] / "export")
    code = importlib.util.spec_from_file_location("cells", vector.device_path())
    device = importlib.util.module_from_spec(code)
    code.loader.exec_module(device)
    entry = {
        "name": "vector", "shape": [2], "categories": next(iter(files)),
        "categorical": ["group"], "columns": ["v1"], "folder": root,
    }  # fmt: skip
    for place, row in enumerate(rows):
        expected = vector.read(table.iloc[place].to_dict(), io).value
        found = device.read(f"{row['v1']},{row['group']}", entry)
        np.testing.assert_array_equal(found, expected)
