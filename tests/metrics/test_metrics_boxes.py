"""Boxes found and average precision: by hand, and as pycocotools counts."""

import contextlib
import io

import numpy as np
import pytest

from mmkeras.metrics import (
    average_precision,
    box_errors,
    describe,
    find_boxes,
    measure,
    same_boxes,
)

CLASSES = ("red", "white", "plate")


def problem(samples=12, boxes=9, cells=40, seed=0):
    """Labels, and outputs that are often near them."""
    draw = np.random.default_rng(seed)
    labels = np.full((samples, boxes, 5), -1.0)
    outputs = np.zeros((samples, cells, 8 + len(CLASSES)))
    for label, output in zip(labels, outputs, strict=True):
        count = draw.integers(0, boxes)
        low = draw.uniform(0, 0.7, (count, 2))
        high = np.minimum(low + draw.uniform(0.05, 0.3, (count, 2)), 1)
        label[:count] = np.c_[low, high, draw.integers(0, 3, count)]
        if not count:
            continue
        near = label[draw.integers(0, count, cells)]
        output[:, :4] = near[:, :4] + draw.normal(0, 0.03, (cells, 4))
        wrong = draw.random(cells) < 0.2
        told = np.where(wrong, draw.integers(0, 3, cells), near[:, 4])
        output[np.arange(cells), 8 + told.astype(int)] = draw.random(cells)
    return labels, outputs


def by_coco(labels, outputs, rows):
    """AP and AP50 of pictures, some drawn several times."""
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    pictures, truths, found = [], [], []
    for number, row in enumerate(rows, start=1):
        pictures.append({"id": number})
        for box in labels[row][labels[row][:, 4] >= 0]:
            corner, size = box[:2] * 1e4, (box[2:4] - box[:2]) * 1e4
            truths.append(
                {"id": len(truths) + 1, "image_id": number, "iscrowd": 0,
                 "category_id": int(box[4]) + 1, "area": float(size.prod()),
                 "bbox": [*corner, *size]}
            )  # fmt: skip
        for box in find_boxes(outputs[row]):
            corner, size = box[:2] * 1e4, (box[2:4] - box[:2]) * 1e4
            found.append(
                {"image_id": number, "category_id": int(box[5]) + 1,
                 "bbox": [*corner, *size], "score": box[4]}
            )  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        known = coco.COCO()
        known.dataset = {
            "images": pictures,
            "annotations": truths,
            "categories": [{"id": n + 1} for n in range(len(CLASSES))],
        }
        known.createIndex()
        judge = cocoeval.COCOeval(known, known.loadRes(found), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return judge.stats[:2]


def test_average_precision_is_that_of_pycocotools_in_every_resample():
    labels, outputs = problem()
    figures = average_precision(labels, outputs, None, CLASSES)
    draw, count = np.random.default_rng(1), len(labels)
    drawn = [np.arange(count)]
    drawn += [draw.integers(0, count, count) for _ in range(3)]
    counts = np.array([np.bincount(rows, minlength=count) for rows in drawn])
    found = figures(counts)
    for place, rows in enumerate(drawn):
        wanted = by_coco(labels, outputs, rows)
        assert (found["ap"][place], found["ap50"][place]) == pytest.approx(
            tuple(wanted), abs=1e-12
        )


def cell(box, score, index, classes=2):
    row = np.zeros(8 + classes)
    row[:4], row[8 + index] = box, score
    return row


def test_average_precision_by_hand():
    truth = np.array([[[0, 0, 0.5, 0.5, 0], [0.5, 0.5, 1, 1, 0]]])
    exact, other = [0, 0, 0.5, 0.5], [0.5, 0, 1, 0.5]
    rows = [
        cell(exact, 0.9, 0),
        cell(other, 0.8, 0),
        cell([0.5, 0.5, 1, 1], 0.7, 0),
    ]
    found = average_precision(
        truth, np.array([rows]), None, ("a", "b")
    ).values()
    # Recall .5 at precision 1, recall 1 at precision 2/3: 51 and 50 of 101.
    assert found["ap50_a"] == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert np.isnan(found["ap50_b"])
    assert found["ap50"] == found["ap"] == found["ap50_a"]
    assert describe("ap50_a").label == "AP50 of a"


def test_pictures_without_a_label_count_nowhere_and_intervals_hold():
    labels, outputs = problem()
    weights = np.ones(len(labels))
    weights[3:] = 0
    found = average_precision(labels, outputs, weights, CLASSES)
    alone = average_precision(labels[:3], outputs[:3], None, CLASSES)
    assert found.samples == 3
    assert found.values() == pytest.approx(alone.values(), nan_ok=True)
    whole = average_precision(labels, outputs, None, CLASSES)
    span = measure(whole, resamples=100, seed=0)["ap50"]
    assert span["low"] < span["value"] < span["high"]


def test_of_boxes_of_one_class_that_overlap_the_surest_stays():
    boxes = [[0, 0, 0.4, 0.4], [0.01, 0, 0.4, 0.4], [0.6, 0.6, 0.9, 0.9]]
    rows = [cell(b, s, 0) for b, s in zip(boxes, (0.5, 0.8, 0.4), strict=True)]
    rows.append(cell(boxes[0], 0.3, 1))  # another class
    rows.append(cell([0.2, 0.2, 0.2, 0.5], 0.9, 0))  # without an area
    rows.append(cell([-0.5, 0.5, 0.5, 1.5], 0.35, 1))  # reaches out
    found = find_boxes(np.array(rows), 0.1)
    assert found[:, 4].tolist() == [0.8, 0.4, 0.35, 0.3]
    assert found[2, :4].tolist() == [0, 0.5, 0.5, 1]
    assert len(find_boxes(np.array(rows), 0.1, most=2)) == 2
    assert len(find_boxes(np.zeros((5, 10)))) == 0


def test_errors_and_agreement_are_of_what_is_told_for_sure():
    none = np.full((1, 2, 5), -1.0)
    one = np.array([[[0, 0, 0.5, 0.5, 0], [0, 0, 0, 0, -1]]])
    right = np.array([[cell([0, 0, 0.5, 0.5], 0.9, 0)]])
    unsure = np.array([[cell([0, 0, 0.5, 0.5], 0.1, 0)]])
    wrong = np.array([[cell([0, 0, 0.5, 0.5], 0.9, 1)]])
    assert box_errors(one, right) == [0] and box_errors(one, unsure) == [1]
    assert box_errors(one, wrong) == [1]
    assert box_errors(none, unsure) == [0] and box_errors(none, right) == [1]
    assert same_boxes(right, right) == 1 and same_boxes(right, wrong) == 0
