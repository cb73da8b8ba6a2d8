"""Tables that are read in parts: the same rows, in a bounded memory."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from mmkeras.data import (
    Samples,
    infer_spec,
    open_manifest,
    open_rows,
    prepare,
    read_manifest,
    read_targets,
)
from mmkeras.data.ingest import Table, codes_of
from mmkeras.spec import DataSpec

# More than are read at once, and no multiple of it.
ROWS = 9_001
SPEC = {
    "name": "long",
    "data": {"id_column": "id"},
    "split": {"group": "who", "stratify": "kind"},
    "modalities": {
        "table": {"kind": "vector", "columns": ["v"]},
        "note": {"kind": "text", "column": "note", "max_tokens": 4},
    },
    "targets": {
        "kind": {"kind": "category", "column": "kind", "classes": ["a", "b"]},
        "tags": {"kind": "categories", "column": "tags",
                 "classes": ["x", "y", "z"]},
        "size": {"kind": "number", "column": "size"},
        "face": {"kind": "embedding", "column": "who"},
    },
}  # fmt: skip


def spec_of(root=".", **changes):
    spec = {**SPEC, "data": {**SPEC["data"], "root": str(root)}}
    for key, value in changes.items():
        spec[key] = {**spec[key], **value}
    return DataSpec.from_dict(spec)


def frame(rows=ROWS):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "id": [f"s{i}" for i in range(rows)],
            "who": [f"w{i}" for i in rng.integers(0, rows // 3, rows)],
            "v": [f"{v:.3f}" for v in rng.normal(size=rows)],
            "note": [f"note {i % 97} 漢字" for i in range(rows)],
            "kind": [["a", "b", ""][i % 3] for i in range(rows)],
            "tags": [["x", "x|z", "", "y"][i % 4] for i in range(rows)],
            "size": [str(i / 2) for i in range(rows)],
        }
    )


def test_a_table_gives_back_what_it_took():
    cells = [f"{i} {'é' * (i % 3)}\0\udce9" for i in range(ROWS)]
    table = Table()
    for first in range(0, ROWS, 5000):
        part = cells[first : first + 5000]
        table.append({"a": part, "b": ["" for _ in part]})
    column = table["a"]
    assert len(table) == len(column) == ROWS and table.columns == ["a", "b"]
    assert [*column] == column.tolist() == cells
    assert set(table["b"]) == {""}
    assert column[0] == cells[0] and column[-1] == cells[-1]
    assert column[4090:4100] == cells[4090:4100]
    assert np.array(column).tolist() == cells
    with pytest.raises(IndexError):
        column[ROWS]
    with pytest.raises(KeyError):
        table["c"]
    rows = np.random.default_rng(0).permutation(ROWS)[:4999]
    part = table.at(rows)
    assert part["a"].tolist() == [cells[row] for row in rows]
    assert part["a"][17] == cells[rows[17]]
    assert part.at(np.array([3, 1]))["a"].tolist() == [
        cells[rows[3]], cells[rows[1]],
    ]  # fmt: skip
    assert table.at(rows[:0])["a"].tolist() == []
    table.change("a", lambda found: [cell.upper() for cell in found])
    assert table["a"].tolist() == [cell.upper() for cell in cells]
    assert set(table["b"]) == {""}


def test_equal_cells_have_one_number_in_order():
    cells = ["b", "", "a", "b", "\udce9", ""]
    assert codes_of(cells).tolist() == [0, 1, 2, 0, 3, 1]


def write(root, table, form):
    path = root / f"rows.{form}"
    if form == "csv":
        table.to_csv(path, index=False)
    elif form == "parquet":
        table.to_parquet(path, row_group_size=2000)
    else:
        text = table.to_json(orient="records", lines=form == "jsonl")
        path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("form", ["csv", "jsonl", "json", "parquet", "frame"])
def test_many_rows_are_the_same_in_every_form(tmp_path, form):
    table = frame()
    source = table if form == "frame" else write(tmp_path, table, form)
    read, _, _ = open_rows(spec_of(), source, tmp_path, None)
    found = read.table
    assert found["sample/id"].tolist() == table["id"].tolist()
    for name in ("v", "note", "kind", "tags", "size", "who"):
        assert found[name].tolist() == table[name].tolist()


def test_what_is_decided_of_a_column_is_decided_of_all_of_it(tmp_path):
    table = frame()
    # Far below the first rows: a decimal comma, a missing cell, a class.
    table.loc[8500, ["v", "size"]] = "0,5", "1,25"
    table.loc[8501, "v"] = "?"
    table["v"] = table["v"].where(table.index > 8000, "7")
    table["size"] = table["size"].where(table.index == 8500, "8")
    table.loc[table.index > 8000, "v"] = "0,75"
    table.loc[8502, "kind"] = "A "
    table.to_csv(tmp_path / "manifest.csv", index=False)
    found = open_manifest(spec_of(tmp_path), tmp_path)
    assert found.table["v"].iloc[[0, 8500, ROWS - 1]].tolist() == [
        "7", "0.75", "0.75",
    ]  # fmt: skip
    assert found.table["kind"].iloc[8502] == "a"
    said = " ".join(found.said)
    assert "decimal comma" in said and "'A' read as the class 'a'" in said
    assert f"{ROWS - 8001 + 1:,} numbers of `size`, `v`" in said


def test_labels_do_not_depend_on_where_a_table_is_cut(tmp_path):
    table = frame()
    table.loc[8999, "tags"] = "unheard"
    table.loc[8998, "size"] = "much"
    whole = read_targets(spec_of(), table)
    read, _, _ = open_rows(spec_of(), table, tmp_path, None)
    values, weights, bad = read_targets(spec_of(), read.rows, sparse=True)
    assert bad == whole[2] and [fault[0] for fault in bad] == [8999, 8998]
    for name in SPEC["targets"]:
        found = values[name]
        found = found.toarray() if name == "tags" else found
        assert (found == whole[0][name]).all()
        assert (weights[name] == whole[1][name]).all()


@pytest.mark.parametrize("row", [4095, 4096, 8191, 8192, ROWS - 1])
def test_a_row_that_is_too_long_is_refused_wherever_it_is(tmp_path, row):
    lines = ["id,v\n", *(f"s{i},{i}\n" for i in range(ROWS))]
    lines[row + 1] = f"s{row},1,2\n"
    (tmp_path / "manifest.csv").write_text("".join(lines))
    spec = SPEC | {
        "data": {"id_column": "id"}, "split": {},
        "modalities": {"table": SPEC["modalities"]["table"]},
        "targets": {"v": {"kind": "number", "column": "v"}},
    }  # fmt: skip
    with pytest.raises(ValueError, match="`data.manifest` must be a CSV"):
        read_manifest(DataSpec.from_dict(spec), tmp_path)


@pytest.mark.parametrize("again", [4096, ROWS - 1])
def test_an_id_that_comes_again_much_later_is_found(tmp_path, again):
    table = frame()
    table.loc[again, "id"] = "s17"
    table.to_csv(tmp_path / "manifest.csv", index=False)
    with pytest.raises(ValueError, match="`id` must differ.*'s17' twice"):
        read_manifest(spec_of(tmp_path), tmp_path)


@pytest.mark.parametrize("form", ["jsonl", "json"])
def test_a_key_may_come_late_in_json(tmp_path, form):
    rows = frame().to_dict("records")
    for row in rows[:6000]:
        del row["size"]
    rows[6000]["size"] = "3 thousand"
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    text = "\n".join(lines)
    if form == "json":
        text = f"[{', '.join(lines)} ]\n"
    (tmp_path / "manifest.csv").write_text(text, encoding="utf-8")
    table = read_manifest(spec_of(tmp_path), tmp_path)
    assert table["size"].iloc[[5999, 6000]].tolist() == ["", "3 thousand"]


@pytest.mark.parametrize(
    "text, message",
    [
        ('[{"id": 1}, {"id": 2]', "value 2 is no JSON"),
        ('[{"id": 1} {"id": 2}]', "',' or '\\]' must follow value 1"),
        ('[{"id": 1},]', "value 2 is no JSON"),
        ('[{"id": 1}', "must follow value 1 of the list, not 'the end'"),
        ('[{"id": 1}] []', "after the end of the list"),
        ("[]", "a header alone|must have"),
        ('[{"id": 1}, 17]', "not an object a row: '17'"),
        ('[{"id": "' + "x" * 600_000 + '"}, {]', "value 2 is no JSON"),
    ],
)
def test_a_list_that_is_no_json_is_one_message(tmp_path, text, message):
    (tmp_path / "manifest.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_manifest(spec_of(tmp_path), tmp_path)


def test_numbers_in_a_list_stay_as_they_are_written(tmp_path):
    text = '[ {"id":007e1}]'
    (tmp_path / "manifest.csv").write_text(text)
    with pytest.raises(ValueError, match="value 1 is no JSON"):
        read_manifest(spec_of(tmp_path), tmp_path)
    row = {"id": "s", "who": "w", "note": "n", "kind": "a", "tags": "x"}
    text = (
        json.dumps([row])[:-2] + ', "v": 0.10, "size": 12345678901234567890}]'
    )
    (tmp_path / "manifest.csv").write_text(text)
    table = read_manifest(spec_of(tmp_path), tmp_path)
    assert table["v"].tolist() == ["0.10"]
    assert table["size"].tolist() == ["12345678901234567890"]


def test_a_spec_is_inferred_from_all_rows(tmp_path):
    path = write(tmp_path, frame(), "csv")
    text = infer_spec(path, target="kind", id_column="id").text
    assert f"{ROWS:,}" in text or str(ROWS) in text


# Reads a table and plans its shards; prints the peak of the memory.
CODE = """
import json, resource, sys
from mmkeras.data import draw_splits, make_plan, open_rows
from mmkeras.spec import DataSpec
spec = DataSpec.from_dict(json.loads(sys.argv[1]))
plan = make_plan(spec, open_rows(spec, sys.argv[2], None, None)[0].rows)
draw_splits(spec, plan)
assert (plan.split >= 0).all() and len(plan.split) == int(sys.argv[3])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak_mb(rows, root):
    path = root / f"{rows}.csv"
    with open(path, "w") as file:
        file.write("id,v,note,kind\n")
        for i in range(rows):
            kind = "ab"[i % 2]
            file.write(f"s{i},{i / 7:.4f},note {i} of a few words,{kind}\n")
    spec = spec_of(root, split={"group": None}).to_dict()
    spec["targets"] = {"kind": SPEC["targets"]["kind"]}
    given = [json.dumps(spec), str(path), str(rows)]
    done = subprocess.run(
        [sys.executable, "-c", CODE, *given],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(done.stdout) / 1024


def test_a_plan_takes_little_memory_a_row(tmp_path):
    less, more = peak_mb(50_000, tmp_path), peak_mb(200_000, tmp_path)
    # As Python strings the cells alone were more than 50 MB.
    assert more - less < 25


def test_the_index_of_samples_is_a_mapping(tmp_path):
    spec = spec_of(tmp_path, split={"group": None})
    table = frame(300)
    table["id"] = [f'ü "{i}", {i}' for i in range(300)]
    prepare(table, spec, tmp_path / "out", workers=1)
    places = Samples(tmp_path / "out").places
    assert len(places) == 300 and {*places} == {*table["id"]}
    shards = {shard.split("-")[0] for shard, *_ in places.values()}
    assert shards == {"train", "validation", "test"}
    assert 'ü "7", 7' in places and "ü" not in places
    with pytest.raises(KeyError):
        places["ü"]
