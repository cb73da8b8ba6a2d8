"""The same sample twice: kept, left out, or kept in one split."""

import csv

import numpy as np
import pytest
from PIL import Image

from mmkeras.data import prepare, read_manifest
from mmkeras.spec import DataSpec

ROWS = 40
SPEC = {
    "name": "twice",
    "split": {"train": 0.5, "validation": 0.25, "test": 0.25},
    "modalities": {
        "image": {"kind": "image", "column": "image", "height": 4, "width": 4,
                  "channels": 1, "optional": True},
        "table": {"kind": "vector", "columns": ["a"]},
    },
    "targets": {"size": {"kind": "number", "column": "size"}},
}  # fmt: skip
# Rows that are the same as an earlier one: under another name, with another
# label, with blanks around a cell, without a picture.
COPIES = {30: 3, 31: 3, 32: 7, 33: 9, 34: 11}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("twice")
    rng = np.random.default_rng(0)
    rows = []
    for i in range(ROWS):
        Image.fromarray(rng.integers(0, 256, (4, 4), np.uint8)).save(
            folder / f"{i}.png"
        )
        rows.append({"id": f"s{i}", "image": f"{i}.png", "a": f"{i}",
                     "size": f"{i}", "who": f"p{i // 2}"})  # fmt: skip
    rows[11]["image"] = ""
    for copy, first in COPIES.items():
        rows[copy] |= {"a": f" {rows[first]['a']} "}
        if rows[first]["image"]:
            raw = (folder / rows[first]["image"]).read_bytes()
            (folder / f"{copy}.png").write_bytes(raw)
        else:
            rows[copy]["image"] = ""
    # The same picture beside another number, and no file twice.
    (folder / "35.png").write_bytes((folder / "4.png").read_bytes())
    for row in (36, 37):
        rows[row] |= {"image": "none.png", "a": "1"}
    with open(folder / "manifest.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder


def spec_of(root, **data):
    more = {"root": str(root), "id_column": "id", "max_bad_fraction": 0.2}
    return DataSpec.from_dict({**SPEC, "data": {**more, **data}})


def splits(out):
    with open(out / "samples.csv", newline="") as file:
        return {row["id"]: row["shard"].split("-")[0]
                for row in csv.DictReader(file)}  # fmt: skip


@pytest.mark.parametrize(
    "rule, gone, said",
    [
        ("keep", [], None),
        ("first", [30, 31, 32, 33, 34], "5 copies of 4 samples are left out"),
        ("drop", [3, 7, 9, 11, *COPIES], "left out, with their first"),
    ],
)
def test_copies_are_left_out_and_counted(
    root, tmp_path, capsys, rule, gone, said
):
    out = tmp_path / "out"
    found = prepare(spec_of(root, duplicates=rule), out, workers=1)
    assert found["quarantined"] == ({"duplicate": len(gone)} if gone else {})
    kept = splits(out)
    assert set(kept) == {f"s{i}" for i in range(ROWS)} - {f"s{i}" for i in gone}
    listed = (out / "quarantine.csv").read_text()
    for i in gone:
        assert f"s{i},sample,duplicate,the same as 's" in listed
    told = capsys.readouterr().err
    assert (said in told) if said else "copies" not in told


def test_copies_are_no_broken_samples(root, tmp_path):
    # Two rows have a file that is not there: 2 of 40.
    spec = spec_of(root, duplicates="drop", max_bad_fraction=0.05)
    prepare(spec, tmp_path / "out", workers=1)


@pytest.mark.parametrize("group", [None, "who"])
@pytest.mark.parametrize("seed", range(4))
def test_copies_go_into_one_split_with_their_groups(
    root, tmp_path, group, seed
):
    split = {**SPEC["split"], "seed": seed, "group": group}
    spec = spec_of(root, duplicates="group")
    spec = DataSpec.from_dict({**spec.to_dict(), "split": split})
    prepare(spec, tmp_path / "out", root=root, workers=1)
    found = splits(tmp_path / "out")
    for copy, first in COPIES.items():
        assert found[f"s{copy}"] == found[f"s{first}"]
    if group:
        table = read_manifest(spec, root)
        for _, part in table.groupby("who"):
            assert len({found[name] for name in part["id"]}) == 1


def test_a_column_of_splits_moves_no_copy():
    with pytest.raises(ValueError, match='`data.duplicates` must be "keep"'):
        DataSpec.from_dict(
            {
                **SPEC,
                "data": {"duplicates": "group"},
                "split": {"method": "column", "column": "part"},
            }
        )
