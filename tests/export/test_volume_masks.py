"""Masks of volumes: the file of half precision says what Keras says."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from mmkeras import heads, towers
from mmkeras.export import count_operators, to_tflite

SIZE = (8, 16, 12)


@pytest.fixture(scope="module")
def model():
    """A tower and a decoder in three axes, with weights of some size."""
    keras.utils.set_random_seed(0)
    tower = towers.volume_tower(
        *SIZE, name="scan", filters=4, stages=3, units=8, skips=True
    )
    head = heads.Mask(size=SIZE, classes=2, modality="scan", filters=4)
    marked = head(tower.output["vector"], "lesion", {"scan": tower.output})
    model = keras.Model({"scan": tower.input}, {"lesion": marked})
    draw = np.random.default_rng(1)
    for each in model.trainable_weights:
        each.assign(each + draw.normal(0, 0.1, each.shape))
    return model


def test_half_precision_is_half_the_bytes_and_the_same_mask(model, tmp_path):
    sizes, answers = {}, {}
    scans = np.random.default_rng(0).normal(-300, 400, (4, *SIZE, 1))
    scans = scans.astype("float32")
    for mode in ("none", "float16"):
        path = tmp_path / f"{mode}.tflite"
        to_tflite(model, path, mode)
        assert "CONV_3D" in count_operators(path)
        run = Interpreter(str(path), num_threads=1).get_signature_runner()
        answers[mode] = np.concatenate(
            [run(scan=scan[None])["lesion"] for scan in scans]
        )
        sizes[mode] = path.stat().st_size
    wanted = model.predict({"scan": scans}, verbose=0)["lesion"]
    classes = wanted.argmax(axis=-1)
    # An answer that has something to lose.
    assert np.sort(np.bincount(classes.ravel()))[-2] > 100
    np.testing.assert_allclose(answers["none"], wanted, atol=1e-5)
    np.testing.assert_allclose(answers["float16"], wanted, atol=5e-3)
    same = answers["float16"].argmax(axis=-1) == classes
    assert same.mean() > 0.999
    # What is not weights weighs the same, and is a third of so small a file.
    assert sizes["float16"] < 0.75 * sizes["none"]
