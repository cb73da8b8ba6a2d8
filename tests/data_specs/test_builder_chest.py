"""The builder of chest, on a small copy of its layout and on the real one."""

import csv
import json

import builder
import chest
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mmkeras.data import prepare
from mmkeras.spec import load_spec

ROW = dict.fromkeys(sorted(chest.NEEDED), "")


def write(folder, count=16, **first):
    """Writes pictures with a lung in the middle, two of each patient."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    rows = []
    for number in range(count):
        lung = np.zeros((60, 72), "uint8")
        lung[15:45, 20:50] = 255
        Image.fromarray(lung // 2 + 40).save(folder / f"images/{number}.jpg")
        row = {**ROW, "image": f"images/{number}.jpg",
               "patient": f"p{number // 2}", "view": "PA", "notes": "a note",
               "finding": "COVID-19" if number % 2 else "SARS"}  # fmt: skip
        if number % 4 < 2:
            Image.fromarray(lung).save(folder / f"masks/{number}.png")
            row["mask"] = f"masks/{number}.png"
            row["lung_boxes_xywh"] = "Left Lung:1.5,2.0,10.0,20.5"
        rows.append(row)
    rows[0] |= first
    with open(folder / "samples.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, [*ROW])
        writer.writeheader()
        writer.writerows(rows)


def run(source, out):
    return builder.main(chest.BUILDER, [str(source), "--out", str(out)])


def test_a_small_copy_is_built_and_prepared(tmp_path):
    write(tmp_path / "source")
    assert run(tmp_path / "source", tmp_path / "data" / "chest") == 0
    table = pd.read_csv(tmp_path / "data/chest/manifest.csv", dtype=str)
    assert {*table["finding"]} == {"COVID-19", "other"}
    box = json.loads(table["boxes"].dropna().iloc[0])
    assert box == [["Left Lung", 1.5, 2.0, 11.5, 22.5]]
    spec = load_spec(builder.__file__.replace("builder.py", "chest.toml"))
    root = tmp_path / "data" / "chest"
    found = prepare(str(root / "manifest.csv"), spec, tmp_path / "out", root, 1)
    assert found["quarantined"] == {}
    lungs = found["statistics"]["targets"]["lungs"]
    assert lungs["shares"]["lung"] == pytest.approx(900 / 4320, abs=0.02)
    assert 0 < lungs["samples"] < found["splits"]["train"]["count"]
    boxes = found["statistics"]["targets"]["lung_boxes"]
    assert boxes["boxes"] == {"Left Lung": boxes["pictures"], "Right Lung": 0}
    assert boxes["pictures"] == lungs["samples"]


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ({"lung_boxes_xywh": "Left Lung:1,2"}, "label:x,y,width,height"),
        ({"mask": "../secret.png"}, "images/ and masks/"),
    ],
)
def test_a_wrong_table_is_one_message(tmp_path, capsys, first, message):
    write(tmp_path / "source", **first)
    assert run(tmp_path / "source", tmp_path / "chest") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "chest").exists()


def test_another_table_is_refused(tmp_path, capsys):
    (tmp_path / "samples.csv").write_text("a,b\n1,2\n")
    assert run(tmp_path, tmp_path / "chest") == 2
    assert "the columns age_years" in capsys.readouterr().err


def test_the_real_one_keeps_its_rows(shared, tmp_path):
    assert run(shared / "chest", tmp_path / "chest") == 0
    table = pd.read_csv(tmp_path / "chest/manifest.csv", dtype=str)
    assert len(table) == 286 and table["patient"].nunique() == 158
    assert table["mask"].notna().sum() == 130
    assert table["boxes"].notna().sum() == 55
    assert table["finding"].value_counts()["COVID-19"] == 196
