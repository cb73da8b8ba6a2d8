"""Boxes: read from cells and files, moved with their pictures, refused."""

import json

import numpy as np
import pytest
from PIL import Image

from mmkeras.data import infer_spec, load_data, prepare
from mmkeras.spec import DataSpec

WIDTH, HEIGHT = 40, 20
VOC = """<annotation><size><width>{w}</width><height>{h}</height></size>
{objects}</annotation>"""
OBJECT = """<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin>
<xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"""
# Left, top, width, height in the picture of 40x20.
BOX = (10, 5, 20, 10)


def spec(boxes=None, **image):
    return DataSpec.from_dict(
        {
            "name": "cells",
            "data": {"max_bad_fraction": 0.9},
            "split": {"method": "column", "column": "split"},
            "modalities": {
                "picture": {"kind": "image", "column": "file", "height": 20,
                            "width": 20, "channels": 1, **image},
            },
            "targets": {
                "things": {"kind": "boxes", "column": "boxes",
                           "modality": "picture", "classes": ["a", "b"],
                           "max_boxes": 3, **(boxes or {})},
            },
        }
    )  # fmt: skip


def voc(*objects, w=WIDTH, h=HEIGHT):
    found = "".join(OBJECT.format(*one) for one in objects)
    return VOC.format(w=w, h=h, objects=found)


def prepared(root, cells, boxes=None, turn=1, **image):
    """Returns quarantine rows, and labels and weights of what is left."""
    pixels = np.zeros((HEIGHT, WIDTH), "uint8")
    pixels[5:15, 10:30] = 200
    exif = Image.Exif()
    exif[0x0112] = turn
    rows = ["file,boxes,split"]
    # Every split has a sample, the others one without a label.
    for place, cell in enumerate([*cells, "", ""]):
        Image.fromarray(pixels).save(
            root / f"{place}.jpg", quality=95, exif=exif
        )
        split = ["validation", "test", "train"][min(len(cells) + 1 - place, 2)]
        quoted = cell.replace('"', '""')
        rows.append(f'{place}.jpg,"{quoted}",{split}')
    (root / "manifest.csv").write_text("\n".join(rows))
    prepare(root / "manifest.csv", spec(boxes, **image), root / "out", root, 1)
    bad = (root / "out" / "quarantine.csv").read_text().splitlines()[1:]
    data = load_data(root / "out", batch_size=16, augment=False)
    labels, weights = [], []
    for _, y, w in data.ordered("train"):
        labels += list(np.asarray(y["things"]))
        weights += np.asarray(w["things"]).tolist()
    return bad, labels, weights


WANTED = [0.25, 0.25, 0.75, 0.75, 1]


@pytest.mark.parametrize("form", ["written", "json", "share", "voc", "coco"])
def test_boxes_are_read_in_every_form(form, tmp_path):
    keys = {}
    if form == "written":
        cells = ["b:10,5,20,10", ";", ""]
    elif form == "json":
        cells = ['[["b", 10, 5, 30, 15]]', "[]", ""]
    elif form == "share":
        cells, keys = ["b:0.25,0.25,0.5,0.5", ";", ""], {"unit": "share"}
    elif form == "voc":
        (tmp_path / "one.xml").write_text(voc(("b", 11, 6, 30, 15)))
        (tmp_path / "none.xml").write_text(voc())
        cells = ["one.xml", "none.xml", ""]
    else:
        table = {
            "images": [{"id": n, "file_name": f"{n}.jpg", "width": WIDTH,
                        "height": HEIGHT} for n in range(2)],
            "categories": [{"id": 7, "name": "b"}],
            "annotations": [
                {"image_id": 0, "category_id": 7, "bbox": BOX},
                {"image_id": 0, "category_id": 7, "bbox": BOX, "iscrowd": 1},
            ],
        }  # fmt: skip
        (tmp_path / "all.json").write_text(json.dumps(table))
        cells, keys = ["0.jpg", "1.jpg", ""], {"coco": "all.json"}
    bad, labels, weights = prepared(tmp_path, cells, keys)
    assert not bad and weights == [1, 1, 0]
    np.testing.assert_allclose(labels[0][0], WANTED, atol=1e-6)
    assert (labels[0][1:, 4] == -1).all()
    assert (labels[1][:, 4] == -1).all()


@pytest.mark.parametrize(
    "resize, wanted",
    [
        ("stretch", [0.25, 0.25, 0.75, 0.75]),
        ("pad", [0.25, 0.375, 0.75, 0.625]),
        ("crop", [0, 0.25, 1, 0.75]),
    ],
)
def test_boxes_go_with_their_resized_picture(resize, wanted, tmp_path):
    _, labels, _ = prepared(tmp_path, ["a:10,5,20,10"], resize=resize)
    np.testing.assert_allclose(labels[0][0, :4], wanted, atol=1e-6)


def test_boxes_of_a_file_that_lies_on_its_side_are_turned(tmp_path):
    # Orientation 6: what is stored has to be turned by a quarter.
    (tmp_path / "one.xml").write_text(voc(("a", 1, 1, 10, 5)))
    _, labels, _ = prepared(tmp_path, ["one.xml"], turn=6)
    # (0..10, 0..5) of 40x20 lies at x 15..20, y 0..10 of 20x40.
    np.testing.assert_allclose(labels[0][0, :4], [0.75, 0, 1, 0.25], atol=1e-6)


@pytest.mark.parametrize(
    "cell, reason",
    [
        ("a:10,5,0,10", "box_empty"),
        ("a:10,5,-3,10", "box_empty"),
        ("a:50,5,10,10", "box_outside"),
        ("c:10,5,20,10", "unknown_class"),
        ("a:10,5,20", "wrong_format"),
        ("a:10,5,20,wide", "not_a_number"),
        ("a:10,5,20,inf", "not_finite"),
        ('[["a", 10, 5, 10, 15]]', "box_empty"),
        ('[["a", 50, 5, 60, 15]]', "box_outside"),
        ('[["c", 10, 5, 30, 15]]', "unknown_class"),
        ('[["a", 10, 5, 30]]', "wrong_format"),
        ("[[10, 5, 30, 15, 0]]", "wrong_format"),
        ('[["a", 10, 5, 30, "wide"]]', "not_a_number"),
        ('[["a", 10, 5, 30, NaN]]', "not_finite"),
        ('[["a", 10, 5, 30', "corrupt"),
        ("gone.xml", "not_found"),
        ("cut.xml", "corrupt"),
        ("bomb.xml", "wrong_format"),
        ("other.xml", "wrong_format"),
        ("size.xml", "wrong_size"),
    ],
)
def test_what_cannot_be_a_box_is_a_row_with_its_reason(cell, reason, tmp_path):
    files = {
        "cut.xml": voc(("a", 1, 1, 5, 5))[:60],
        "bomb.xml": '<!DOCTYPE x [<!ENTITY y "z">]>' + voc(),
        "other.xml": "<html/>",
        "size.xml": voc(("a", 1, 1, 5, 5), w=30),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    bad, labels, _ = prepared(tmp_path, [cell, "a:10,5,20,10"])
    assert len(labels) == 1 and len(bad) == 1
    assert bad[0].split(",")[1:3] == ["things", reason]


def test_boxes_are_clipped_and_the_smallest_of_too_many_left_out(tmp_path):
    cell = "a:-10,5,20,10;b:0,0,4,4;a:0,0,30,20;a:0,0,10,10"
    _, labels, _ = prepared(tmp_path, [cell])
    assert labels[0][:, 4].tolist() == [0, 0, 0]
    np.testing.assert_allclose(labels[0][0, :4], [0, 0.25, 0.25, 0.75])
    notes = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert "boxes_clipped" in json.dumps(notes)
    assert "boxes_left_out" in json.dumps(notes)


@pytest.mark.parametrize(
    "change",
    [
        {"horizontal_flip": 1},
        {"translation": 0.2},
        {"zoom": 0.3},
        {"crop": 0.3},
    ],
    ids=lambda change: next(iter(change)),
)
def test_boxes_move_with_their_pictures(change, tmp_path):
    prepared(tmp_path, ["a:12,5,16,10"] * 8)
    data = load_data(
        tmp_path / "out", batch_size=8, augment={"picture": change}, seed=1
    )
    x, y, _ = next(iter(data.train))
    moved = 0
    for pixels, boxes in zip(
        x["picture"].numpy(), y["things"].numpy(), strict=True
    ):
        left, top, right, bottom = boxes[0, :4] * 20
        rows, columns = np.nonzero(pixels[..., 0] > 100)
        # As wide as the light, but for what is blended at its edges: the
        # picture's 10..30 of 40 is 5..15 here, the box a pixel narrower.
        assert (columns + 0.5).mean() == pytest.approx(
            (left + right) / 2, abs=1
        )
        assert (rows + 0.5).mean() == pytest.approx((top + bottom) / 2, abs=1)
        moved += abs(left - 6) > 0.2
    if change != {"horizontal_flip": 1}:
        assert moved


@pytest.mark.parametrize(
    "cell",
    ["a:1,1,3,3;b c:2,2,1,1", '[["a", 1, 1, 4, 4], ["b c", 2, 2, 3, 3]]'],
)
def test_a_column_of_boxes_is_known_by_what_it_holds(cell, tmp_path):
    rows = ["file,things,label"]
    quoted = cell.replace('"', '""')
    for place in range(6):
        Image.new("L", (8, 8)).save(tmp_path / f"{place}.png")
        rows.append(f'{place}.png,"{quoted}",{place % 2}')
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    text = infer_spec(tmp_path / "manifest.csv", target="things").text
    assert 'kind = "boxes"' in text and '"b c"' in text


def test_the_modality_must_be_one_of_pictures():
    with pytest.raises(ValueError, match="`targets.things`.*'sound'"):
        spec({"modality": "sound"})
    table = spec().model_dump(mode="json", exclude_defaults=True)
    table["modalities"]["row"] = {"kind": "vector", "columns": ["x"]}
    table["targets"]["things"]["modality"] = "row"
    with pytest.raises(ValueError, match="must be a modality of pictures"):
        DataSpec.from_dict(table)
