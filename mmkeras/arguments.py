"""What is wrong with an argument or a key, said the same way everywhere.

What must hold, the argument in backticks, what was received, the choices.
"""

import difflib
import numbers
from collections.abc import Iterable, Mapping
from typing import Any


def nearest(word: str, choices: Iterable[str]) -> str:
    """Returns " Did you mean `x`?" and the choices, for an error message."""
    choices = list(choices)
    return f"{hint(word, choices)} Choices: {', '.join(sorted(choices))}"


def hint(word: str, choices: Iterable) -> str:
    """Returns " Did you mean `x`?", or "" where nothing is near."""
    known = [choice for choice in choices if isinstance(choice, str)]
    # A unit was left out more often than a key was taken for another.
    close = [choice for choice in known if choice.startswith(f"{word}_")]
    close = close or difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" Did you mean `{close[0]}`?" if close else ""


def check_table(name: str, given: Any) -> None:
    """Raises ValueError unless `given` is a table: a dict or the like."""
    if not isinstance(given, Mapping):
        raise ValueError(f"`{name}` must be a table. Received: {given!r}")


def check_keys(table: str, given: Mapping, allowed: Iterable[str]) -> None:
    """Raises ValueError at the first key of `given` not in `allowed`.

    Args:
        table: Name of the table or argument, as a user wrote it; empty for
            the table that holds all others.
        given: What the user gave.
        allowed: The keys there are.
    """
    check_table(table, given)
    allowed = list(allowed)
    for key in given:
        if key not in allowed:
            name = f"{table}.{key}" if table else key
            raise ValueError(
                f"`{name}` is not a known key." + nearest(str(key), allowed)
            )


def check_choice(name: str, value: Any, choices: Iterable) -> None:
    """Raises ValueError unless `value` is one of the choices.

    Args:
        name: Name of the argument, or path of the key.
        value: What the user gave.
        choices: Texts or numbers, in the order to be shown.
    """
    choices = list(choices)
    if value not in choices:
        near = hint(value, choices) if isinstance(value, str) else ""
        raise ValueError(
            f"`{name}` must be one of {', '.join(map(str, choices))}. "
            f"{_received(name, value)}" + (near and f".{near}")
        )


def check_positive(**values: Any) -> None:
    """Raises ValueError unless each argument is a positive integer."""
    for name, value in values.items():
        if not _is_integer(value) or value < 1:
            raise ValueError(
                f"`{name}` must be a positive integer. {_received(name, value)}"
            )


def check_integer(name: str, value: Any, least: int) -> None:
    """Raises ValueError unless `value` is an integer, at least `least`."""
    if not _is_integer(value) or value < least:
        raise ValueError(
            f"`{name}` must be an integer, at least {least}. "
            f"{_received(name, value)}"
        )


def check_number(
    name: str,
    value: Any,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
) -> None:
    """Raises ValueError unless `value` is a number within its limits.

    Args:
        name: Name of the argument, or path of the key.
        value: What the user gave; NaN lies within no limit.
        above: It must be larger.
        least: It must be as large, or larger.
        below: It must be smaller.
        most: It must be as small, or smaller.
    """
    limits = {
        "above": (above, lambda limit: value > limit),
        "at least": (least, lambda limit: value >= limit),
        "below": (below, lambda limit: value < limit),
        "at most": (most, lambda limit: value <= limit),
    }
    given = {word: pair for word, pair in limits.items() if pair[0] is not None}
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not all(holds(limit) for limit, holds in given.values()):
        words = " and ".join(
            f"{word} {pair[0]}" for word, pair in given.items()
        )
        raise ValueError(f"`{name}` must be {words}. {_received(name, value)}")


def check_fraction(name: str, value: Any) -> None:
    """Raises ValueError unless `value` is a number in [0, 1)."""
    check_number(name, value, least=0, below=1)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _received(name: str, value: Any) -> str:
    return f"Received: {name.split('.')[-1]}={value!r}"
