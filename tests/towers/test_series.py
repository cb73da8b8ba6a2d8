"""The series tower: contract, gaps, what each variant sees, errors."""

import keras
import numpy as np
import pytest

from mmkeras.towers import SERIES_TOWERS, KnownSteps, MarkGaps, series_tower

NAN = np.nan
ONE_WAY = {"variant": "gru", "bidirectional": False}
# Arguments, and the positions made of 26 steps.
CASES = {
    "resnet": ({"depth": 3}, 2),
    "tcn": ({"variant": "tcn", "depth": 2}, 6),
    "gru": ({"variant": "gru", "depth": 2}, 6),
    "gru, one direction": (ONE_WAY, 6),
    "lstm": ({"variant": "lstm"}, 6),
    "patch_transformer": ({"variant": "patch_transformer"}, 6),
}
case = pytest.mark.parametrize(
    "arguments, positions", CASES.values(), ids=CASES
)


def build(**arguments):
    keras.utils.set_random_seed(0)
    return series_tower(26, 2, **{"units": 6, "width": 8, **arguments})


def signal(count=3, steps=26):
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, steps, 2)).astype("float32")


@case
def test_what_it_says_of_a_batch(arguments, positions):
    tower = build(**arguments, name="ecg")
    assert tower(signal())["tokens"].shape == (3, positions, 6)


@case
def test_the_vector_is_the_mean_of_the_known_tokens(arguments, positions):
    x = signal()
    x[0, :16] = NAN  # four strides of 4, or one of 16
    x[1] = NAN
    x[2, :16, 0] = NAN  # the other channel is there
    found = {k: np.asarray(v) for k, v in build(**arguments)(x).items()}
    first = 1 if positions == 2 else 4
    wanted = np.ones((3, positions))
    wanted[0, :first] = 0
    wanted[1] = 0
    np.testing.assert_array_equal(found["mask"], wanted)
    mean = found["tokens"][0, first:].mean(axis=0)
    np.testing.assert_allclose(found["vector"][0], mean, atol=1e-5)
    np.testing.assert_array_equal(found["vector"][1], np.zeros(6))


@case
def test_untrained_on_gaps_a_gap_counts_as_the_mean(arguments, positions):
    tower = build(**arguments, mean=[5.0, -3.0], std=[2.0, 0.0])
    gaps, mean = signal(), signal()
    gaps[0, 9:17, 0], mean[0, 9:17, 0] = NAN, 5.0
    gaps[1, :3, 1], mean[1, :3, 1] = NAN, -3.0
    np.testing.assert_allclose(
        tower(gaps)["tokens"], tower(mean)["tokens"], atol=1e-5
    )


def test_normalises_as_numpy_does():
    tower = build(mean=[1000.0, 0.0], std=[50.0, 0.0])
    layer = tower.get_layer("series_mark_gaps")
    inside = keras.Model(tower.inputs[0], layer.output)
    x = signal() * [50, 3] + [1000, 0]
    x[0, 0], x[0, 1] = [NAN, np.inf], [-1e6, NAN]
    wanted = np.clip((x - [1000, 0]) / [50, 1], -10, 10)
    wanted = np.nan_to_num(wanted, nan=0.0)
    # The marks of gaps start at zero.
    wanted = np.concatenate([wanted, np.zeros_like(wanted)], axis=-1)
    np.testing.assert_allclose(inside(x), wanted, rtol=1e-4, atol=1e-5)


def test_layers_against_numpy():
    missing = np.array([[[0, 1], [1, 1], [0, 0]]], "float32")
    np.testing.assert_array_equal(KnownSteps()(missing), [[[1], [0], [1]]])
    mark = MarkGaps()
    x = np.arange(6, dtype="float32").reshape(1, 3, 2)
    np.testing.assert_array_equal(mark(x, missing)[..., 2:], 0 * x)
    mark.gap.assign([7.0, -2.0])
    np.testing.assert_array_equal(
        mark(x, missing), np.concatenate([x, missing * [7, -2]], axis=-1)
    )


def test_learns_from_what_is_missing():
    keras.utils.set_random_seed(0)
    x = signal(64)
    x[::2, 8:16] = NAN
    y = (np.arange(64) % 2).astype("float32")
    tower = build(stride=2, depth=1)
    output = keras.layers.Dense(1)(tower.output["vector"])
    model = keras.Model(tower.inputs[0], output)
    model.compile(keras.optimizers.Adam(0.01), "mse")
    model.fit(x, y, epochs=20, verbose=0)
    assert model.evaluate(x, y, verbose=0) < 0.1
    assert np.abs(tower.get_layer("series_mark_gaps").gap).max() > 0.01


def changed_tokens(tower, step):
    """The first and the last position that a change at one step is seen at."""
    x = signal(1)
    before = np.asarray(tower(x)["tokens"])[0]
    x[0, step] += 3
    after = np.asarray(tower(x)["tokens"])[0]
    found = np.flatnonzero(np.abs(after - before).max(axis=-1) > 1e-6)
    return (found[0], found[-1]) if len(found) else None


@pytest.mark.parametrize(
    "arguments, step, seen",
    [
        # Two dilated convolutions of 3 look back 4 positions, in one block.
        ({"variant": "tcn", "depth": 1, "stride": 2}, 6, (3, 7)),
        # 4 + 8 with twice the dilation.
        ({"variant": "tcn", "stride": 1, "depth": 2, "width": 32}, 3, (3, 15)),
        ({**ONE_WAY, "stride": 2}, 20, (10, 12)),
        ({"variant": "gru", "stride": 2}, 20, (0, 12)),
        # What fills no stretch is left out.
        ({**ONE_WAY, "stride": 4}, 25, None),
    ],
)
def test_what_a_step_reaches(arguments, step, seen):
    assert changed_tokens(build(**arguments), step) == seen


def test_the_transformer_passes_over_gaps():
    tower = build(variant="patch_transformer")
    x = signal()
    x[:, 8:12] = NAN  # the third of six patches
    before = np.asarray(tower(x)["tokens"])
    position = tower.get_layer("series_position").position
    moved = np.array(position)
    moved[0, 2] += np.arange(8) * 5
    position.assign(moved)
    after = np.asarray(tower(x)["tokens"])
    others = [0, 1, 3, 4, 5]
    np.testing.assert_allclose(after[:, others], before[:, others], atol=1e-5)
    assert np.abs(after[:, 2] - before[:, 2]).max() > 0.1


@pytest.mark.parametrize("variant", SERIES_TOWERS.parts)
def test_half_precision_takes_raw_units(variant):
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        tower = build(variant=variant, mean=[1e5, 0.0], std=[1e4, 1.0])
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    x = signal() * [1e4, 1] + [1e5, 0]
    x[0, 4:8] = NAN
    found = tower(x)
    assert found["mask"].dtype == "float32"
    assert all(np.isfinite(np.asarray(v)).all() for v in found.values())


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"variant": "rnn"}, "`variant` must be one of .*, tcn, .*'rnn'"),
        ({"depth": 0}, "`depth` must be a positive integer.*depth=0"),
        ({"stride": 27}, "`stride` must not exceed `steps`.*stride=27"),
        ({"mean": [1.0]}, "`mean` must have one number for each of the 2"),
        ({"std": [1.0, -1.0]}, "`std` must not be negative"),
        ({"variant": "patch_transformer", "heads": 3}, "`heads` must divide"),
    ],
)
def test_refuses(arguments, said):
    with pytest.raises(ValueError, match=said):
        build(**arguments)


@pytest.mark.parametrize("variant", ["gru", "lstm", "patch_transformer"])
def test_the_length_of_the_padding_changes_no_token(variant):
    # A backward pass would read the padding first.
    short = series_tower(12, 1, variant=variant, units=6, width=8)
    long = series_tower(64, 1, variant=variant, units=6, width=8)
    weights = [
        w[:, :3] if v.name == "position" else w
        for v, w in zip(long.weights, long.get_weights(), strict=True)
    ]
    short.set_weights(weights)
    x = np.full((2, 64, 1), np.nan, "float32")
    x[:, :9] = np.random.default_rng(0).normal(size=(2, 9, 1))
    one, other = short(x[:, :12]), long(x)
    np.testing.assert_allclose(
        one["tokens"], np.asarray(other["tokens"])[:, :3], atol=1e-5
    )
    np.testing.assert_allclose(one["vector"], other["vector"], atol=1e-5)
    assert np.asarray(other["mask"]).sum(axis=1).tolist() == [3, 3]
