"""A cell that is no UTF-8 costs its row, and says what it may be (D19)."""

import csv

import pytest

from mmkeras.data import BadSample, SampleIO, check_utf8, prepare
from mmkeras.kinds import Text
from mmkeras.spec import DataSpec

CITIES = ["Köln", "Bonn", "Łódź"]
TARGETS = {
    "one": {"kind": "category", "classes": CITIES},
    "some": {"kind": "categories", "classes": CITIES},
    "rank": {"kind": "ordinal", "classes": CITIES},
    "steps": {"kind": "sequence", "classes": CITIES, "steps": 2},
    "who": {"kind": "embedding"},
}
MODALITIES = {
    "text": {"kind": "text", "max_tokens": 4},
    "row": {"kind": "vector", "columns": ["age"], "categorical": ["row"]},
}


def spec(root) -> DataSpec:
    """One column for each target and modality, which has its name."""
    for name, table in (TARGETS | MODALITIES).items():
        if "columns" not in table:
            table["column"] = name
    return DataSpec.from_dict(
        {
            "name": "cities",
            "data": {"root": str(root), "id_column": "id",
                     "max_bad_fraction": 0.3},
            "split": {"method": "column", "column": "split"},
            "modalities": MODALITIES,
            "targets": TARGETS,
        }
    )  # fmt: skip


def test_each_row_of_another_encoding_is_left_out_with_its_reason(tmp_path):
    columns = [*TARGETS, *MODALITIES]
    broken = {column: i for i, column in enumerate(columns)}
    with open(tmp_path / "manifest.csv", "wb") as file:
        head = ["id", "split", "age", *columns]
        file.write((",".join(head) + "\n").encode())
        for i in range(30):
            split = ("train", "train", "test")[i % 3]
            cells = [f"s{i}", split, "4"]
            row = [*cells, *("Köln|Bonn" if c == "steps" else "Köln"
                             for c in columns)]  # fmt: skip
            bad = [
                cell.encode("cp1252" if broken.get(column) == i else "utf-8")
                for column, cell in zip(head, row, strict=True)
            ]
            file.write(b",".join(bad) + b"\n")
    found = prepare(spec(tmp_path), tmp_path / "out", workers=1)
    assert found["quarantined"] == {"bad_utf8": len(columns)}
    with open(tmp_path / "out" / "quarantine.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["modality"] for row in rows] == columns
    for row in rows:
        assert row["reason"] == "bad_utf8"
        assert "in cp1252 it is 'Köln" in row["detail"]
    for path in (tmp_path / "out").glob("*.json"):
        assert "\\ud" not in path.read_text(encoding="utf-8")
    known = found["statistics"]["modalities"]["row"]["categories"]
    assert known == {"row": ["Köln"]}


@pytest.mark.parametrize(
    "raw, known, said",
    [
        ("Köln".encode("cp1252"), (), "in cp1252 it is 'Köln'"),
        ("Łódź".encode("cp1250"), CITIES, "in cp1250 it is 'Łódź'"),
        ("Köln".encode("mac_roman"), CITIES, "in mac_roman it is 'Köln'"),
        ("Москва".encode("cp1251"), (), "in cp1251 it is 'Москва'"),
        ("東京".encode("cp932"), ["東京"], "in cp932 it is '東京'"),
        ("東京".encode("cp932"), (), r"'\\x93\\x8c\\x8b\\x9e'$"),
    ],
)
def test_the_encoding_is_named_where_it_shows(raw, known, said):
    cell = raw.decode("utf-8", "surrogateescape")
    with pytest.raises(BadSample, match=said) as error:
        check_utf8(cell, known)
    assert error.value.reason == "bad_utf8"


def test_half_a_pair_of_utf_16_is_refused():
    with pytest.raises(BadSample, match="bad_utf8"):
        check_utf8("a\ud83d")
    assert check_utf8("Köln 🤩") == "Köln 🤩"


@pytest.mark.parametrize(
    "raw, said",
    [
        ("Köln".encode("cp1252"), "'t.txt': byte 1 .*in cp1252 it is 'Köln'"),
        ("Köln".encode("utf-16"), "begins as utf-16 does"),
    ],
)
def test_a_file_of_another_encoding_is_left_out(tmp_path, raw, said):
    (tmp_path / "t.txt").write_bytes(raw)
    text = Text(kind="text", column="x", max_tokens=4, file=True)
    with pytest.raises(BadSample, match=said) as error:
        text.read_file("t.txt", SampleIO(str(tmp_path)))
    assert error.value.reason == "bad_utf8"
