"""Schedules: when it is a weight's turn, and how many must go."""

import numpy as np
import pytest

from mmkeras.compress import ConstantSparsity, PolynomialDecay
from mmkeras.compress.pruning import last_turn


@pytest.mark.parametrize(
    "step, turn", [(0, False), (9, False), (10, True), (15, False), (20, True),
                   (30, True), (31, False), (40, False)],
)  # fmt: skip
def test_turns_are_every_so_many_steps_from_begin_to_end(step, turn):
    for schedule in (
        ConstantSparsity(0.5, begin_step=10, end_step=30, frequency=10),
        PolynomialDecay(0.0, 0.5, begin_step=10, end_step=30, frequency=10),
    ):
        assert schedule(step)[0] == turn


def test_a_constant_schedule_without_end_goes_on():
    schedule = ConstantSparsity(0.5, begin_step=0, frequency=100)
    assert schedule(1_000_000) == (True, np.float32(0.5))


@pytest.mark.parametrize(
    "step, power, share",
    [
        (0, 3, 0.2),
        (10, 3, 0.2),
        (60, 3, 0.8 - 0.6 * 0.5**3),
        (60, 1, 0.5),
        (110, 3, 0.8),
        (500, 3, 0.8),
    ],
)
def test_polynomial_decay_is_its_formula(step, power, share):
    schedule = PolynomialDecay(0.2, 0.8, 10, 110, power=power)
    assert schedule(step)[1] == pytest.approx(share, abs=1e-6)


@pytest.mark.parametrize(
    "schedule, step, turn",
    [
        (ConstantSparsity(0.5, 10, frequency=10), 9, None),
        (ConstantSparsity(0.5, 10, frequency=10), 10, 10),
        (ConstantSparsity(0.5, 10, frequency=10), 99, 90),
        (ConstantSparsity(0.5, 0, frequency=10), 5, None),
        (PolynomialDecay(0.0, 0.5, 0, 25, frequency=10), 10**9, 20),
        (lambda step: (step == 3, 0.5), 50, 3),
        (lambda step: (False, 0.5), 50, None),
    ],
)
def test_the_last_turn_is_found(schedule, step, turn):
    assert last_turn(schedule, step) == turn


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: ConstantSparsity(1.0, 0), "target_sparsity=1.0"),
        (lambda: ConstantSparsity(-0.1, 0), "target_sparsity=-0.1"),
        (lambda: ConstantSparsity(0.5, -1), "begin_step=-1"),
        (lambda: ConstantSparsity(0.5, 10, 5), "end_step=5"),
        (lambda: ConstantSparsity(0.5, 0, frequency=0), "frequency=0"),
        (lambda: PolynomialDecay(0, 1.5, 0, 9), "final_sparsity=1.5"),
        (lambda: PolynomialDecay(0, 0.5, 0, -1), "end_step=-1"),
        (lambda: PolynomialDecay(0, 0.5, 7, 7), "begin_step=7, end_step=7"),
    ],
)
def test_what_makes_no_sense_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
