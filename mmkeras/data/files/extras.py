"""Packages that only some kinds of modality need."""

import importlib
from types import ModuleType


def needs(package: str, extra: str) -> ModuleType:
    """Imports a package, or says which extra of mmkeras brings it.

    Args:
        package: Its name.
        extra: Name of the extra.

    Raises:
        ValueError: If it is not installed; the data are not at fault.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ValueError(
            f"`{package}` must be installed to read these files: "
            f"pip install mmkeras[{extra}]. Received: {error}"
        ) from None
