"""The manifest as a table, and paths that stay inside the data root."""

import os

import pandas as pd
import pytest
from data.data_toys import make_spec, write_rows, write_set

from mmkeras.data import (
    BadSample,
    open_inside,
    read_inside,
    read_manifest,
)
from mmkeras.escaping import cell


@pytest.fixture
def root(tmp_path):
    write_set(tmp_path, 6)
    return tmp_path


def test_every_cell_is_text_and_rows_keep_their_order(root):
    table = read_manifest(make_spec(), root)
    assert table["sample/id"].tolist() == [f"s{i}" for i in range(6)]
    assert table["v1"].tolist() == ["0.0", "0.25", "0.5", "0.75", "1.0", "1.25"]


def test_parquet_reads_as_csv_does(root):
    frame = pd.read_csv(root / "manifest.csv", dtype=str)
    frame["image"] = frame["image"].where(frame.index != 2)
    frame.to_parquet(root / "manifest.parquet")
    found = read_manifest(make_spec(data__manifest="manifest.parquet"), root)
    expected = read_manifest(make_spec(), root)
    expected.loc[2, "image"] = ""
    assert found.to_dict("list") == expected.to_dict("list")


def test_without_id_column_the_row_number_names_a_sample(root):
    table = read_manifest(make_spec(data__id_column=None), root)
    assert table["sample/id"].tolist() == list("012345")


@pytest.mark.parametrize(
    "spec, message",
    [
        ({"targets__size__column": "sise"}, "Did you mean `size`"),
        ({"data__id_column": "color"}, "'black' twice"),
        ({"data__manifest": "none.csv"}, "not_found"),
        ({"data__manifest": "../manifest.csv"}, "path_outside"),
    ],
)
def test_a_manifest_that_does_not_fit_is_one_message(root, spec, message):
    with pytest.raises(ValueError, match=message):
        read_manifest(make_spec(**spec), root)


@pytest.mark.parametrize(
    "content", [b"", b"id,image\n1,2,3\n", b"\x89PNG\0\0"], ids=str
)
def test_a_file_that_is_no_table_is_refused(root, content):
    (root / "manifest.csv").write_bytes(content)
    with pytest.raises(ValueError, match="manifest"):
        read_manifest(make_spec(), root)


def test_a_manifest_without_rows_is_refused(root):
    write_rows(root, [])
    with pytest.raises(ValueError, match="a header alone"):
        read_manifest(make_spec(), root)


def test_bytes_that_are_no_utf8_stay_in_their_cell(root):
    raw = (root / "manifest.csv").read_bytes()
    (root / "manifest.csv").write_bytes(raw.replace(b"number 2", b"caf\xe9"))
    table = read_manifest(make_spec(), root)
    assert "\udce9" in table["text"].iloc[2]
    assert table["text"].iloc[3] == "this is number 3 , it looks black"


def test_a_link_inside_the_root_is_followed(root):
    os.symlink("0.png", root / "link.png")
    assert read_inside(root, "link.png") == (root / "0.png").read_bytes()


def test_a_root_behind_a_link_is_a_root(root, tmp_path_factory):
    alias = tmp_path_factory.mktemp("alias") / "root"
    os.symlink(root, alias)
    with open_inside(alias, "0.png") as file:
        assert file.read(4) == b"\x89PNG"


def test_an_empty_file_has_its_own_reason(root):
    (root / "none.png").touch()
    with pytest.raises(BadSample, match="empty"):
        read_inside(root, "none.png")


@pytest.mark.parametrize(
    "value, written",
    [
        ("plain", "plain"),
        ("=cmd()", "'=cmd()"),
        ("+1", "'+1"),
        ("@x", "'@x"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb", "a\\nb"),
        ("", ""),
    ],
)
def test_no_cell_acts_in_a_spreadsheet_or_terminal(value, written):
    assert cell(value) == written
