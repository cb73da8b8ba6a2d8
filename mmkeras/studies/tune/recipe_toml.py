"""A recipe as TOML text."""

from collections.abc import Mapping
from typing import Any

import tomli_w


def to_toml(recipe: Mapping[str, Any]) -> str:
    """Returns tables of plain values as TOML.

    Args:
        recipe: Numbers, texts, booleans, lists and tables, nested.

    Raises:
        ValueError: If TOML cannot hold a value, such as None.

    Example:

    >>> print(to_toml({"fusion": {"method": "gated", "units": 32}}))
    [fusion]
    method = "gated"
    units = 32
    <BLANKLINE>
    """
    try:
        return tomli_w.dumps(recipe)
    except TypeError as error:
        raise ValueError(
            "A recipe must hold numbers, texts, true or false, lists and "
            f"tables. Received: {error}"
        ) from None
