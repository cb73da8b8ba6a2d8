"""The head for boxes: its cells, who learns what, and what it refuses."""

import keras
import numpy as np
import pytest

from mmkeras import heads

GRIDS = [(2, 4), (4, 8)]


def untrained(classes=2):
    """Outputs of cells that say nothing: sides 0, logits -20."""
    raw = np.full((1, 40, 4 + classes), -20.0, "float32")
    return np.array(heads.CellsToBoxes(GRIDS)(raw))


def test_cells_lie_over_the_picture_level_by_level():
    found = untrained()[0]
    # The first of each level: centre and size, in shares of the picture.
    assert found[0, 4:8].tolist() == [0.125, 0.25, 0.25, 0.5]
    assert found[8, 4:8].tolist() == [0.0625, 0.125, 0.125, 0.25]
    assert found[-1, 4:8].tolist() == [1 - 0.0625, 0.875, 0.125, 0.25]
    np.testing.assert_allclose(found[:, :2], found[:, 4:6], atol=1e-6)


def told(output, cell, box, index, score=0.999):
    output[0, cell, :4], output[0, cell, 8 + index] = box, score
    return output


def truth(*boxes):
    found = np.full((1, 3, 5), -1.0, "float32")
    for place, box in enumerate(boxes):
        found[0, place] = box
    return found


# Four cells of the finer level wide and high: that level's box.
FINE = [0.25, 0.0, 0.75, 1.0]


def near(output, box):
    """Lets every cell near the centre tell a box."""
    centre = output[0, 8:, 4:6] - [0.5, 0.5]
    for cell in np.flatnonzero((abs(centre) <= [0.19, 0.38]).all(axis=1)):
        output[0, 8 + cell, :4] = box
    return output


def test_the_loss_is_least_where_the_right_cell_tells_the_right_box():
    loss, label = heads.BoxLoss(), truth([*FINE, 1])
    # The centre, (.5, .5), is in the cell that it is the upper left corner of
    # or the lower right one, of the finer level.
    values = {}
    for cell in range(40):
        output = near(untrained(), FINE)
        values[cell] = float(loss(label, told(output, cell, FINE, 1)))
    best = min(values, key=values.get)
    centre = untrained()[0, best, 4:8]
    assert best >= 8
    assert (abs(centre[:2] - 0.5) <= centre[2:] / 2 + 1e-6).all()
    assert values[best] < 0.1
    output = near(untrained(), FINE)
    wrong = float(loss(label, told(output, best, FINE, 0)))
    moved = near(untrained(), [0.0, 0.0, 0.5, 1.0])
    moved = float(loss(label, told(moved, best, [0, 0, 0.5, 1], 1)))
    assert wrong > values[best] + 5 and moved > values[best] + 0.2


def test_a_picture_without_boxes_wants_nothing_told():
    loss, none = heads.BoxLoss(), truth()
    quiet = float(loss(none, untrained()))
    loud = float(loss(none, told(untrained(), 3, FINE, 0)))
    assert quiet < 1e-3 < 1 < loud


def test_the_metric_is_the_overlap_with_labelled_boxes():
    metric = heads.BoxOverlap(name="overlap")
    label = np.repeat(truth([*FINE, 1]), 2, axis=0)
    output = np.repeat(near(untrained(), FINE), 2, axis=0)
    output[1, :, :4] = 0
    metric.update_state(label, output, np.array([1.0, 0.0]))
    assert float(metric.result()) == pytest.approx(1, abs=1e-5)
    metric.update_state(label, output, np.array([0.0, 1.0]))
    assert float(metric.result()) == pytest.approx(0.5, abs=1e-5)


def test_levels_of_odd_sizes_are_joined_and_fewer_maps_will_do():
    sizes = [(13, 9), (7, 5), (4, 3)]
    maps = [keras.Input((*size, 6)) for size in sizes]
    fused = keras.Input((5,))
    head = heads.Boxes(classes=2, modality="view", levels=5, filters=8)
    output = head(fused, "things", {"view": {"skips": maps}})
    assert output.shape == (None, 13 * 9 + 7 * 5 + 4 * 3, 10)
    model = keras.Model([*maps, fused], output)
    draw = np.random.default_rng(0)
    x = [draw.normal(size=(2, *i.shape[1:])) for i in model.inputs]
    one = model.predict(x, verbose=0)
    x[-1] = x[-1] + 1.0
    # The fused vector has a say.
    assert abs(model.predict(x, verbose=0) - one).max() > 1e-4


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda h: h(None, "x", {"view": {}}), "`skips`, of `view`"),
        (lambda h: h.finish(None, "x"), "another fusion"),
        (lambda h: heads.Boxes(classes=1, modality="v", levels=0), "`levels`"),
        (
            lambda h: heads.Boxes(classes=1, modality="v", size_weight=0),
            "`size_weight` must be above 0",
        ),
    ],
)
def test_what_it_cannot_do_is_told(make, message):
    with pytest.raises(ValueError, match=message):
        make(heads.Boxes(classes=1, modality="view"))
