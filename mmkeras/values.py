"""What a value must be, in words and as a test."""

import os
from collections.abc import Callable
from typing import Any

Check = tuple[str, Callable[[Any], bool]]


def is_real(value: Any) -> bool:
    """Whether `value` is a finite number, and not a truth value."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and float("-inf") < value < float("inf")


def is_whole(value: Any) -> bool:
    """Whether `value` is a whole number, and not a truth value."""
    return isinstance(value, int) and not isinstance(value, bool)


ANYTHING: Check = ("anything", lambda _: True)
COUNT: Check = ("a positive integer", lambda v: is_whole(v) and v > 0)
WHOLE: Check = ("a whole number from 0", lambda v: is_whole(v) and v >= 0)
REAL: Check = ("a finite number", is_real)
POSITIVE: Check = ("a positive number", lambda v: is_real(v) and v > 0)
FROM_ZERO: Check = ("a number from 0", lambda v: is_real(v) and v >= 0)
SHARE: Check = ("from 0 to 1", lambda v: is_real(v) and 0 <= v <= 1)
PART: Check = (
    "a number above 0, at most 1",
    lambda v: is_real(v) and 0 < v <= 1,
)
BELOW_ONE: Check = (
    "a number from 0, below 1",
    lambda v: is_real(v) and 0 <= v < 1,
)
FLAG: Check = ("true or false", lambda v: isinstance(v, bool))
TEXT: Check = ("a text", lambda v: isinstance(v, str) and v != "")
PATH: Check = (
    "a name or a path",
    lambda v: isinstance(v, str | os.PathLike) and str(v) != "",
)
NUMBERS: Check = (
    "a list of numbers",
    lambda v: isinstance(v, list | tuple) and all(map(is_real, v)),
)


def one_of(*choices: str) -> Check:
    """Returns the check that a value is one of some words."""
    return (
        f"one of {', '.join(choices)}",
        lambda v: isinstance(v, str) and v in choices,
    )


def or_none(check: Check) -> Check:
    """Returns `check`, or None."""
    words, good = check
    return f"{words} or None", lambda v: v is None or good(v)
