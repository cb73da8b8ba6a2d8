"""What is wrong with an argument or a key, said the same way everywhere."""

import difflib
from collections.abc import Iterable, Mapping


def nearest(word: str, choices: Iterable[str]) -> str:
    """Returns " Did you mean `x`?" and the choices, for an error message."""
    choices = list(choices)
    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.5)
    hint = f" Did you mean `{close[0]}`?" if close else ""
    return f"{hint} Choices: {', '.join(sorted(choices))}"


def check_keys(table: str, given: Mapping, allowed: Iterable[str]) -> None:
    """Raises ValueError at the first key of `given` not in `allowed`.

    Args:
        table: Name of the table or argument, as a user wrote it.
        given: What the user gave.
        allowed: The keys there are.
    """
    if not isinstance(given, Mapping):
        raise ValueError(f"`{table}` must be a table. Received: {given!r}")
    allowed = list(allowed)
    for key in given:
        if key not in allowed:
            raise ValueError(
                f"`{table}.{key}` is not a known key."
                + nearest(str(key), allowed)
            )
