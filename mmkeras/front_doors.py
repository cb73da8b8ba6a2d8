"""Front doors of rooms: names that are imported when they are first used."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def front_door(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Returns the `__getattr__` and the `__dir__` of a package.

    Args:
        package: Its `__name__`.
        homes: By public name, the module in the package that has it, or
            `module:name` where it has another name there. A module hides the
            public name that it shares, once it is imported; and a name that
            says enough in its module may say too little at the door.
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(
                f"module {package!r} has no attribute {name!r}"
            )
        module, _, inner = homes[name].partition(":")
        return getattr(
            importlib.import_module(f"{package}.{module}"), inner or name
        )

    return find, lambda: sorted(homes)
