"""The video tower: contract, one image tower for all frames, errors."""

import keras
import numpy as np
import pytest

from mmkeras.towers import Regroup, spread_convolution, video_tower

FRAME = {"filters": 4, "depth": 2}
# Arguments, and the positions made of 5 frames.
CASES = {
    "gru": ({"frame_tower": FRAME}, 5),
    "attention": ({"variant": "attention", "frame_tower": FRAME}, 5),
    "cnn3d": ({"variant": "cnn3d", "filters": 4, "depth": 2}, 3),
}


def build(**arguments):
    keras.utils.set_random_seed(0)
    return video_tower(5, 8, 10, 3, **{"units": 8, **arguments})


def clips(count=2):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, 5, 8, 10, 3)).astype("uint8")


@pytest.mark.parametrize("arguments, positions", CASES.values(), ids=CASES)
def test_what_it_says_of_a_batch(arguments, positions):
    tower = build(**arguments, name="camera")
    found = tower(clips())
    assert found["tokens"].shape == (2, positions, 8)
    np.testing.assert_array_equal(found["mask"], np.ones((2, positions)))
    np.testing.assert_allclose(
        found["vector"], np.mean(found["tokens"], axis=1), atol=1e-5
    )


def test_one_image_tower_reads_every_frame():
    tower = build(frame_tower={**FRAME, "units": 6}, mean=[0.5] * 3)
    each = tower.get_layer("video_frame_tower")
    rows = tower.get_layer("video_vectors").output
    found = np.asarray(keras.Model(tower.inputs[0], rows)(clips()))
    assert found.shape == (2, 5, 6)
    for i in range(5):
        wanted = each(clips()[:, i])["vector"]
        np.testing.assert_allclose(found[:, i], wanted, atol=1e-5)
    scale = each.get_layer("video_frame_normalise")
    np.testing.assert_allclose(scale.offset, [-0.5] * 3)


def test_a_model_of_your_own_reads_the_frames():
    x = keras.Input((8, 10, 3))
    y = keras.layers.Conv2D(7, 3, name="mine")(x)
    tower = build(frame_tower=keras.Model(x, y))
    found = tower(clips())
    assert found["tokens"].shape == (2, 5, 8)
    assert any("mine" in weight.path for weight in tower.weights)


@pytest.mark.parametrize("variant", ["gru", "attention"])
def test_the_order_of_frames_matters(variant):
    tower = build(variant=variant, frame_tower=FRAME)
    for weight in tower.weights:
        if "position" in weight.path:
            weight.assign(np.random.default_rng(1).normal(size=weight.shape))
    x = clips()
    there, back = tower(x)["vector"], tower(x[:, ::-1].copy())["vector"]
    assert np.abs(np.asarray(there) - np.asarray(back)).max() > 1e-3


@pytest.mark.parametrize("stride", [1, 2])
def test_a_spread_convolution_is_a_3_d_convolution_of_rank_one(stride):
    """Of positive numbers, so that the ReLU between lets all pass."""
    rng = np.random.default_rng(0)
    x = keras.Input((6, 8, 10, 2))
    y, left = spread_convolution(
        Regroup((8, 10))(x), 6, 3, stride, "spread", relu=False
    )
    y = Regroup((left, *y.shape[1:3]))(y)
    model = keras.Model(x, y)
    planes, across = (
        rng.random(weight.shape).astype("float32")
        for weight in model.trainable_weights
        if "kernel" in weight.path
    )
    for name, kernel in (("in", planes), ("across", across)):
        model.get_layer(f"spread_{name}_conv").kernel.assign(kernel)
    # across: (3, 1, middle, out); planes: (3, 3, in, middle)
    whole = np.tensordot(across[:, 0], planes, axes=(1, 3))
    whole = whole.transpose(0, 2, 3, 4, 1)
    given = rng.random((2, 6, 8, 10, 2)).astype("float32")
    wanted = keras.ops.conv(given, whole, stride, "same")
    # Batch normalisation divides by sqrt(1 + 0.001) at first, twice.
    np.testing.assert_allclose(model(given), wanted / 1.001, rtol=1e-4)


@pytest.mark.parametrize("variant", ["gru", "attention", "cnn3d"])
def test_half_precision(variant):
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        tower = build(variant=variant)
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    found = tower(clips())
    assert found["mask"].dtype == "float32"
    assert all(np.isfinite(np.asarray(v)).all() for v in found.values())


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"variant": "lstm"}, "`variant` must be one of .*, cnn3d.*'lstm'"),
        ({"depth": -1}, "`depth` must be a positive integer.*depth=-1"),
        ({"std": [1.0]}, "`std` must have one number for each of the 3"),
        (
            {"variant": "cnn3d", "frame_tower": FRAME},
            "`frame_tower` needs.*gru, attention.*'cnn3d'",
        ),
        (
            {"frame_tower": {"variant": "big"}},
            "`frame_tower.variant` must be one of cnn, .*'big'",
        ),
    ],
)
def test_refuses(arguments, said):
    with pytest.raises(ValueError, match=said):
        build(**arguments)


def test_differences_see_movement_and_nothing_else():
    """Two clips of another brightness that move alike are the same."""
    keras.utils.set_random_seed(0)
    draw = np.random.default_rng(0)
    moving = draw.integers(0, 90, (1, 4, 8, 8, 3))
    tower = video_tower(
        4, 8, 8, 3, variant="differences", frames_too=False, filters=4
    )
    plain, bright, still = (
        np.asarray(tower(clip.astype("uint8"))["vector"])
        for clip in (moving, moving + 100, moving[:, :1].repeat(4, 1))
    )
    # Of an untrained tower both are small: 1e-3, and 1e-9.
    np.testing.assert_allclose(plain, bright, atol=1e-7)
    assert np.abs(plain - still).max() > 1e-4
