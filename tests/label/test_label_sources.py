"""`mmkeras label` for data that came from no manifest file."""

import csv

import keras
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import mmkeras
from mmkeras.cli import app
from mmkeras.data import load_data, prepare
from mmkeras.heads import Category
from mmkeras.runs import describe_run
from mmkeras.spec import DataSpec
from mmkeras.studies.label import apply_labels, propose_labels, write_sheet
from mmkeras.training import save_run

CLASSES = ["low", "high"]
KEYS = {
    "name": "rows",
    "modalities": {"table": {"kind": "vector", "columns": ["a", "b"]}},
    "targets": {
        "size": {"kind": "category", "column": "size", "classes": CLASSES},
        "n": {"kind": "number", "column": "n"},
    },
}


def frame(rows=40, ids=False):
    """Every third row has no label."""
    draw = np.random.default_rng(0)
    table = pd.DataFrame(draw.normal(size=(rows, 2)), columns=["a", "b"])
    table["size"] = [CLASSES[int(a > 0)] for a in table["a"]]
    table.loc[::3, "size"] = None
    table["n"] = np.arange(rows) / 2
    if ids:
        table["who"] = [f"p{row}" for row in range(rows)]
    return table


def run_on(folder, source, keys):
    prepare(source, DataSpec.from_dict(keys), folder / "data", workers=1)
    data = load_data(folder / "data", augment=False)
    keras.utils.set_random_seed(0)
    x = keras.Input((2,), name="table")
    hidden = keras.layers.Dense(4)(x)
    heads = {"size": Category(2)(hidden, "size")}
    heads["n"] = keras.layers.Dense(1, name="n")(hidden)
    history = keras.callbacks.History()
    history.epoch, history.history = [0], {"loss": [1.0]}
    model = keras.Model({"table": x}, heads)
    facts = describe_run(data, {}, "full", 0)
    save_run(folder / "run", model, history, **facts)
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run on a DataFrame without ids, and one on arrays with ids."""
    named = {**KEYS, "data": {"id_column": "who"}}
    arrays = {name: list(cells) for name, cells in frame(ids=True).items()}
    return {
        "frame": run_on(tmp_path_factory.mktemp("frame"), frame(), KEYS),
        "arrays": run_on(tmp_path_factory.mktemp("arrays"), arrays, named),
    }


def read(path):
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("origin", ["frame", "arrays"])
def test_labels_of_rows_from_memory_come_back_as_a_table(
    runs, origin, tmp_path
):
    folder, table = runs[origin], frame(ids=True)
    rows = propose_labels(folder / "run", tmp_path / "sheet.csv")
    names = table["who"] if origin == "arrays" else table.index.astype(str)
    split = load_data(folder / "data", augment=False).ids("train")
    missing = {*names[::3]} & {*split}
    assert {row["id"] for row in rows} == missing != set()

    filled = [row | {"label": "high"} for row in rows]
    write_sheet(tmp_path / "filled.csv", filled)
    counts = apply_labels(
        folder / "data", tmp_path / "filled.csv", tmp_path / "labels.csv"
    )
    assert counts == {"size": len(rows)}
    found = read(tmp_path / "labels.csv")
    column = "who" if origin == "arrays" else "row"
    assert list(found[0]) == [column, "size", "n"]
    by_id = {row[column]: row for row in found}
    assert {*by_id} == {*names}
    for name, size, n in zip(names, table["size"], table["n"], strict=True):
        known = "" if pd.isna(size) else size
        wanted = "high" if name in missing else known
        assert by_id[name]["size"] == wanted
        assert float(by_id[name]["n"]) == n
    if origin == "frame":
        assert [row["row"] for row in found] == [*names]


def test_new_rows_need_no_manifest(runs, tmp_path):
    """Of a DataFrame, a table on disk or a dict, the same is proposed."""
    new = frame(9).assign(size=None)
    new.to_csv(tmp_path / "new.csv", index=False)
    arrays = {name: list(cells) for name, cells in new.items()}
    found = [
        propose_labels(runs["frame"] / "run", tmp_path / f"{place}.csv", source)
        for place, source in enumerate((new, arrays, tmp_path / "new.csv"))
    ]
    assert len(found[0]) == 9
    assert found[0] == found[1]
    for first, third in zip(found[0], found[2], strict=True):
        assert first["id"] == third["id"]
        assert first["confidence"] == pytest.approx(third["confidence"])


def test_columns_that_are_missing_are_named(runs, tmp_path):
    with pytest.raises(ValueError, match="must have the column `b`"):
        propose_labels(
            runs["frame"] / "run", tmp_path / "a.csv", frame()[["a", "size"]]
        )
    with pytest.raises(ValueError, match="CSV, JSON lines or Parquet"):
        propose_labels(
            runs["frame"] / "run", tmp_path / "a.csv", tmp_path / "none.csv"
        )
    assert not (tmp_path / "a.csv").exists()


def test_the_commands_take_the_prepared_folder(runs, tmp_path):
    folder, sheet = runs["frame"], tmp_path / "sheet.csv"

    def run(*arguments):
        found = CliRunner().invoke(app, [str(each) for each in arguments])
        return found.exit_code, " ".join(found.output.split())

    code, told = run("label", folder / "run", "--out", sheet)
    assert code == 0 and "the prepared folder stands for it" in told
    write_sheet(sheet, [row | {"label": "ok"} for row in read(sheet)])
    out = tmp_path / "labels.csv"
    code, told = run("apply-labels", folder / "data", sheet, "--out", out)
    assert code == 0 and "join it with your rows by its first column" in told
    labels = pd.read_csv(out).set_index("row")
    table = frame()
    table["size"] = labels["size"]
    found = mmkeras.prepare(
        table, DataSpec.from_dict(KEYS), tmp_path / "again", workers=1
    )
    assert found["quarantined"] == {}
