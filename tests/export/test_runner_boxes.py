"""Boxes on the device, in pixels of the picture that was given."""

import numpy as np
import pytest
from export.export_toys import reader
from PIL import Image

from mmkeras.kinds import Boxes
from mmkeras.kinds import Image as ImageSpec

HEIGHT, WIDTH = 12, 16
RULES = ("stretch", "crop", "pad")
TOLD = {"classes": ["dot", "spot"], "modality": "view", "least_score": 0.3,
        "inputs": {"view": {"shape": [HEIGHT, WIDTH, 3]}}}  # fmt: skip


def placed_of(path, rule):
    entry = {"name": "view", "shape": [HEIGHT, WIDTH, 3], "resize": rule}
    return reader(ImageSpec).place(str(path), entry)


def output_of(*boxes):
    """Cells that tell boxes: left, top, right, bottom in shares, class."""
    found = np.zeros((len(boxes), 10), "float32")
    for row, (*corners, index) in zip(found, boxes, strict=True):
        row[:4], row[8 + index] = corners, 0.9
    return found


@pytest.mark.parametrize("turn", [1, 3, 6])
@pytest.mark.parametrize("rule", RULES)
def test_a_box_is_told_where_it_lies_in_the_upright_picture(
    tmp_path, rule, turn
):
    exif = Image.Exif()
    exif[0x0112] = turn
    path = tmp_path / "a.jpg"
    Image.new("RGB", (80, 40)).save(path, exif=exif)
    size = (40, 80) if turn == 6 else (80, 40)
    placed = placed_of(path, rule)
    # In the middle, where nothing is cut away: 6 by 4 pixels.
    low = np.array(size) / 2 - [3, 2]
    corners = placed.to_stored([low, low + [6, 4]]) / [WIDTH, HEIGHT]
    output = output_of([*corners.ravel(), 1])
    found = reader(Boxes).answer(output, {**TOLD, "placed": {"view": placed}})
    assert found["size"] == [*size]
    (one,) = found["boxes"]
    assert one["label"] == "spot"
    np.testing.assert_allclose(one["box"], [*low, 6, 4], atol=0.02)


@pytest.mark.parametrize(
    "rule, box, wanted",
    [
        # 40x80 in 16x12 is cut to its middle 30 rows, and padded to 6x12.
        ("stretch", [0, 0, 0.5, 0.5], [0, 0, 20, 40]),
        ("crop", [0, 0, 0.5, 0.5], [0, 25, 20, 15]),
        ("pad", [0, 0, 0.5, 0.5], [0, 0, 20, 40]),
    ],
)
def test_what_lies_beside_the_picture_is_cut_off(tmp_path, rule, box, wanted):
    path = tmp_path / "a.png"
    Image.new("RGB", (40, 80)).save(path)
    placed = placed_of(path, rule)
    output = output_of([*box, 0], [0, 0, 0.25, 0.25, 1])
    found = reader(Boxes).answer(output, {**TOLD, "placed": {"view": placed}})
    assert found["boxes"][0]["box"] == pytest.approx(wanted, abs=0.02)
    # The second lies wholly in the black beside a narrow picture.
    assert found["count"] == len(found["boxes"]) == 2 - (rule == "pad")


def test_without_a_picture_boxes_are_in_pixels_of_the_models():
    found = reader(Boxes).answer(output_of([0.25, 0.25, 0.75, 0.5, 0]), TOLD)
    assert found["boxes"][0]["box"] == [4, 3, 8, 3]
    assert found["size"] == [WIDTH, HEIGHT]
