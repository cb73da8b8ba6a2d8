"""A file finds boxes itself, the same as the runner, in float and in int8."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from keras import layers

from mmkeras import heads
from mmkeras.export import (
    count_operators,
    drop_finders,
    finder_models,
    quantize_full,
    quantize_tflite,
    to_tflite,
)
from mmkeras.metrics import average_precision, find_boxes

CLASSES = ("dot", "spot")
GRID = (10, 12)


@pytest.fixture(scope="module")
def pictures():
    shape = (8, 20, 24, 3)
    return np.random.default_rng(0).integers(0, 256, shape, "uint8")


@pytest.fixture(scope="module")
def files(tmp_path_factory, pictures):
    """A detector that was never trained, and so tells crowds of boxes."""
    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("found")
    view = keras.Input((20, 24, 3), dtype="uint8", name="view")
    x = layers.Rescaling(1 / 64, -2)(view)
    x = layers.Conv2D(8, 3, strides=2, padding="same")(x)
    x = layers.Conv2D(4 + len(CLASSES), 1)(x)
    x = layers.Reshape((-1, 4 + len(CLASSES)))(x)
    told = heads.CellsToBoxes([GRID], name="things")(x)
    model = keras.Model({"view": view}, {"things": told})
    others = finder_models(model)
    assert [*others] == ["suppressed_things"]
    paths = {name: folder / f"{name}.tflite" for name in ("float", "int8",
                                                          "full")}  # fmt: skip
    to_tflite(model, paths["float"], others=others)
    to_tflite(model, folder / "plain.tflite")
    samples = {"view": pictures}
    quantize_tflite(paths["float"], paths["int8"], samples)
    quantize_full(paths["float"], paths["full"], samples)
    return folder


def found_by(path, pictures):
    """What a file tells of pictures, and the boxes that it finds in that."""
    interpreter = Interpreter(str(path), num_threads=1)
    tell = interpreter.get_signature_runner("serving_default")
    find = interpreter.get_signature_runner("suppressed_things")
    told = [tell(view=one[None])["things"] for one in pictures]
    found = [find(cells=cells) for cells in told]
    boxes = [one["boxes"][0, : int(one["count"][0])] for one in found]
    return [cells[0] for cells in told], boxes


@pytest.mark.parametrize("name", ["float", "int8", "full"])
def test_the_file_finds_what_the_runner_finds(files, pictures, name):
    told, boxes = found_by(files / f"{name}.tflite", pictures)
    for cells, found in zip(told, boxes, strict=True):
        wanted = find_boxes(cells)
        assert len(wanted) < np.count_nonzero(cells[:, 8:] >= 0.02)
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_average_precision_is_that_of_the_runner(files, pictures):
    told, boxes = found_by(files / "float.tflite", pictures)
    labels = np.full((len(told), 6, 5), -1.0)
    again = np.zeros((len(told), 100, 8 + len(CLASSES)))
    for place, found in enumerate(boxes):
        # Some of what is found is there, a little elsewhere.
        labels[place] = found[::3][:6, [0, 1, 2, 3, 5]]
        labels[place, :, :2] += 0.01
        again[place, : len(found), :4] = found[:, :4]
        likely = found[:, 5:] == np.arange(len(CLASSES))
        again[place, : len(found), 8:] = found[:, 4:5] * likely
    one, other = (
        average_precision(labels, np.array(outputs), None, CLASSES).values()
        for outputs in (told, again)
    )
    assert 0.05 < one["ap"] < one["ap50"] < 1
    assert one == pytest.approx(other, abs=1e-9)


def test_nothing_is_found_where_nothing_is_told(files):
    interpreter = Interpreter(str(files / "float.tflite"), num_threads=1)
    find = interpreter.get_signature_runner("suppressed_things")
    nothing = np.zeros((1, np.prod(GRID), 8 + len(CLASSES)), "float32")
    found = find(cells=nothing)
    assert found["count"].tolist() == [0] and not found["boxes"].any()


def test_it_is_small_and_firmware_does_without(files, tmp_path):
    paths = files / "float.tflite", files / "plain.tflite"
    one, other = (path.stat().st_size for path in paths)
    assert one - other < 12_000
    kept = drop_finders(paths[0], tmp_path / "kept.tflite")
    assert count_operators(kept) == count_operators(paths[1])
    assert "NON_MAX_SUPPRESSION_V4" in count_operators(paths[0])
    signatures = Interpreter(str(kept)).get_signature_list()
    assert [*signatures] == ["serving_default"]
    assert drop_finders(paths[1], tmp_path / "none.tflite") == paths[1]
