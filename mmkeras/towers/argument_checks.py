"""Checks of the arguments of towers."""

from collections.abc import Sequence


def check_choice(argument: str, value: str, choices: Sequence[str]) -> None:
    """Raises ValueError unless `value` is among `choices`."""
    if value not in choices:
        raise ValueError(
            f"Argument `{argument}` must be one of {list(choices)}. "
            f"Received: {argument}={value!r}"
        )


def check_sizes(**sizes: int) -> None:
    """Raises ValueError unless each value is a positive whole number."""
    for argument, value in sizes.items():
        if type(value) is not int or value <= 0:
            raise ValueError(
                f"Argument `{argument}` must be a positive integer. "
                f"Received: {argument}={value!r}"
            )
