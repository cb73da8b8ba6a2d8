"""Faults 2 and 6: a training that is killed, or stopped, at any moment."""

import contextlib
import signal

from faults.fuzz import fault
from faults.stopped_toys import (
    STRATEGIES,
    Moment,
    Stop,
    assert_same,
    fit,
    whole,
)

from mmkeras import stopping

# Short ones, for the few tries of every run.
QUICK = ("full", "averaged", "batches", "steps")


def moments(draw):
    """Which training, and after which batches it is stopped."""
    names = QUICK if draw.random() < 0.5 else list(STRATEGIES)
    drawn = [
        Moment(draw.choice(("train", "train", "test")), draw.randint(1, 14))
        for _ in range(draw.randint(1, 3))
    ]
    return draw.choice(names), drawn


def stopping_it(case, folder):
    name, drawn = case
    done = 0
    for moment in drawn:
        stop = Stop(moment)
        try:
            fit(name, folder, stop)
        except stopping.Stopped as stopped:
            # Of the first step of a stage, nothing is kept.
            done -= stopped.kept is None
        done += stop.seen["train"]
    rest = Stop(None)
    found = fit(name, folder, rest)
    assert_same(name, found)
    assert done + rest.seen["train"] == whole(name)[2]["train"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class Killed(BaseException):
    """Nobody expects it, and nothing is saved for it."""


def killing_it(case, folder):
    def kill():
        raise Killed

    name, drawn = case
    often = {"checkpoint_every_sec": 1e-9}
    done = 0
    for moment in drawn:
        stop = Stop(moment, kill)
        with contextlib.suppress(Killed):
            fit(name, folder, stop, **often)
        done += stop.seen["train"]
    rest = Stop(None)
    found = fit(name, folder, rest, **often)
    assert_same(name, found)
    # A step is lost at most, and that of the end of an epoch.
    again = done + rest.seen["train"] - whole(name)[2]["train"]
    assert 0 <= again <= len(drawn)


fault(6, moments, stopping_it, tries=50)
fault(2, moments, killing_it, tries=50)
