"""Signals as exceptions: raised once, and not lost."""

import signal
import time

import pytest

from mmkeras import stopping


class Dropping:
    """Gets a signal where Python drops what is raised."""

    def __del__(self):
        signal.raise_signal(signal.SIGTERM)


def test_what_python_drops_is_sent_again():
    with pytest.raises(stopping.Stopped) as error, stopping.watching():
        Dropping()
        time.sleep(5)
    assert stopping.exit_code(error.value) == 143


def test_a_signal_that_is_sent_twice_raises_once():
    cleared = []
    with pytest.raises(stopping.Stopped), stopping.watching():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)
            cleared.append(True)
    assert cleared


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_postponed_signal_waits(number):
    with stopping.watching(), stopping.postponing() as request:
        request.postponed = True
        signal.raise_signal(number)
        assert request.number == number
        with pytest.raises(stopping.Stopped, match="all is kept") as error:
            request.check("all is kept")
    assert stopping.exit_code(error.value) == 128 + number


def test_handlers_are_put_back():
    before = [signal.getsignal(number) for number in stopping.SIGNALS]
    with stopping.watching():
        assert signal.getsignal(signal.SIGTERM) is not before[0]
    assert [signal.getsignal(n) for n in stopping.SIGNALS] == before


def test_what_is_unbroken_is_ended_first():
    done = []
    with pytest.raises(stopping.Stopped):
        with stopping.unbroken(), stopping.unbroken():
            signal.raise_signal(signal.SIGINT)
            done.append(1)
    assert done == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
