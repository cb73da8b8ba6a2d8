"""SIGTERM and Ctrl-C: when a process ends, and what it keeps.

Both raise `KeyboardInterrupt`, so that every folder and process is cleared
away on its way out. What must not be cut in two, such as a step of a training,
runs within `postponing`, and asks by itself whether it has to end.

In Python, where nobody has called `watching`, that is Ctrl-C alone, and only
where it raises `KeyboardInterrupt` anyway.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any, NoReturn

SIGNALS = (signal.SIGTERM, signal.SIGINT)
# Whoever passes signals on, such as `timeout`, often sends them twice; a
# person may insist soon, a program when there was time to clear up.
AGAIN_SEC = {signal.SIGINT: 1.0, signal.SIGTERM: 10.0}
LOST_SEC = 0.01
SAID = b"\nstopping after this step; Ctrl-C once more stops at once\n"


class Stopped(KeyboardInterrupt):
    """The process was asked to end, and something was kept.

    Args:
        number: The signal.
        kept: What was kept, as part of a sentence; None for nothing new.
    """

    def __init__(self, number: int, kept: str | None = None):
        super().__init__(signal.Signals(number), kept)
        self.number = number
        self.kept = kept

    def __str__(self) -> str:
        return self.kept or self.args[0].name


class Request:
    """Whether this process was asked to end.

    Attributes:
        number: The signal that asks for it; None as long as there is none.
        postponed: Whether a signal waits for `check`; otherwise it raises at
            once.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.postponed = False

    def check(self, kept: str | None = None) -> None:
        """Raises `Stopped` if a signal has come."""
        if self.number is not None:
            raise Stopped(self.number, kept)


class _State:
    """What the handler knows of this process."""

    request: Request | None = None
    came_sec: float | None = None
    unbroken = 0
    waiting: int | None = None
    began_anew = False


def exit_code(error: KeyboardInterrupt) -> int:
    """Returns the exit code: 143 after SIGTERM, 130 after Ctrl-C."""
    return 128 + getattr(error, "number", signal.SIGINT)


@contextlib.contextmanager
def watching() -> Iterator[None]:
    """Lets SIGTERM, like Ctrl-C, raise `Stopped` within; for commands.

    A signal that is ignored, or that somebody handles, stays so.
    """
    _State.came_sec, _State.began_anew = None, False
    default = (signal.SIG_DFL, signal.default_int_handler)
    with _handled(SIGNALS, default):
        yield


@contextlib.contextmanager
def postponing() -> Iterator[Request]:
    """Yields what says whether the process was asked to end.

    From its `postponed` on, a signal raises nothing; a second Ctrl-C does.
    """
    before, request = _State.request, Request()
    with _handled((signal.SIGINT,), (signal.default_int_handler,)):
        _State.request = request
        try:
            yield request
        finally:
            _State.request = before


@contextlib.contextmanager
def unbroken() -> Iterator[None]:
    """Lets a signal wait for the end of the body, which must be short.

    For what would be lost in between, such as a child that was just started.
    """
    if threading.current_thread() is not threading.main_thread():
        # Signals do not reach it.
        yield
        return
    with _handled((signal.SIGINT,), (signal.default_int_handler,)):
        _State.unbroken += 1
        try:
            yield
        finally:
            _State.unbroken -= 1
            number = _State.waiting
            if number is not None and not _State.unbroken:
                _State.waiting = None
                _handle(number, None)


def note_new_beginning() -> None:
    """Notes that an older result was removed: to begin anew is done."""
    _State.began_anew = True


def began_anew() -> bool:
    """Whether an older result was removed since `watching` began."""
    return _State.began_anew


@contextlib.contextmanager
def _handled(signals: tuple, instead_of: tuple) -> Iterator[None]:
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in signals:
            if signal.getsignal(number) in instead_of:
                before[number] = signal.signal(number, _handle)
    if before:
        _State.came_sec = None
    unraisable = sys.unraisablehook

    def send_again(lost: Any) -> None:
        # Raised where Python drops it, such as in a `__del__`.
        if not isinstance(lost.exc_value, Stopped):
            unraisable(lost)
            return
        _State.came_sec = None
        again = (os.getpid(), lost.exc_value.number)
        threading.Timer(LOST_SEC, os.kill, again).start()

    if before:
        sys.unraisablehook = send_again
    try:
        yield
    finally:
        if before:
            sys.unraisablehook = unraisable
        for number, handler in before.items():
            signal.signal(number, handler)


def _handle(number: int, _frame: FrameType | None) -> NoReturn | None:
    if _State.unbroken:
        _State.waiting = number
        return
    now, first = time.monotonic(), _State.came_sec
    if first is not None:
        # What is on its way out clears up.
        if now - first < AGAIN_SEC[number]:
            return
    request = _State.request
    _State.came_sec = now
    if request is not None:
        # Again, where what was raised was lost.
        request.number, again = number, request.number is not None
        if request.postponed and not again:
            with contextlib.suppress(OSError):
                os.write(2, SAID)
            return
    raise Stopped(number)
