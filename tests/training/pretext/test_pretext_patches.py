"""Patches: who answers for what, in numbers."""

import numpy as np
import pytest
from keras import ops

from mmkeras.training.pretext import (
    Cut,
    Shrink,
    Spread,
    grid_of,
    owners,
    patch_steps,
)


def numbers(x):
    return ops.convert_to_numpy(x)


@pytest.mark.parametrize(
    ("size", "parts"),
    [(8, 4), (7, 4), (42, 5), (5, 5), (100, 51), (30, 7), (3, 6), (9, 1)],
)
def test_each_step_is_in_the_patch_of_its_owner(size, parts):
    owner, steps = owners(size, parts), patch_steps(size, parts)
    assert steps.shape == (parts, -(-size // parts))
    assert steps.min() >= 0
    assert steps.max() < size
    assert (np.diff(owner) >= 0).all()
    for step, token in enumerate(owner):
        assert step in steps[token]


@pytest.mark.parametrize(
    ("sizes", "tokens", "wanted"),
    [
        ((42,), 6, ((6,), 0)),
        ((28, 28), 49, ((7, 7), 0)),
        # A token of the class in front.
        ((28, 28), 50, ((7, 7), 1)),
        ((16, 16), 17, ((4, 4), 1)),
        ((32, 48), 24, ((4, 6), 0)),
        ((30, 45), 96, ((8, 12), 0)),
        ((8, 16, 16), 256, ((4, 8, 8), 0)),
        ((16, 32, 32), 32, ((2, 4, 4), 0)),
    ],
)
def test_tokens_lie_on_a_grid_as_even_as_the_input(sizes, tokens, wanted):
    assert grid_of(sizes, tokens) == wanted


def test_an_image_is_cut_row_by_row():
    image = np.arange(4 * 6 * 2.0).reshape(1, 4, 6, 2)
    patches = numbers(Cut((2, 3))(image))
    assert patches.shape == (1, 6, 2 * 2 * 2)
    for row in range(2):
        for column in range(3):
            wanted = image[0, 2 * row : 2 * row + 2][:, 2 * column :][:, :2]
            assert (
                patches[0, 3 * row + column].tolist() == wanted.ravel().tolist()
            )


def test_patches_of_an_odd_axis_overlap_by_one_step():
    series = np.arange(7.0).reshape(1, 7, 1)
    found = numbers(Cut((3,))(series))[0]
    assert found.tolist() == [[0, 1, 2], [3, 4, 5], [4, 5, 6]]


def test_spreading_says_of_each_step_what_its_owner_says():
    flags = np.array([[1.0, 0.0, 1.0]])
    assert numbers(Spread((7,))(flags))[0].tolist() == [1, 1, 1, 0, 0, 1, 1]
    square = numbers(Spread((4, 2))(np.array([[[1.0, 0.0], [0.0, 1.0]]])))
    assert square[0].tolist() == [[1, 0], [1, 0], [0, 1], [0, 1]]


def test_shrinking_averages():
    image = np.arange(16.0).reshape(1, 4, 4, 1)
    found = numbers(Shrink(2)(image))[0, :, :, 0]
    assert found.tolist() == [[2.5, 4.5], [10.5, 12.5]]
    assert numbers(Shrink(9)(image)).tolist() == image.tolist()
    assert Shrink((1, 2))(image).shape == (1, 1, 2, 1)
