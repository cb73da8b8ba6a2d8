"""The search for a model whose file keeps within a size, a time, a device."""

import importlib

_HOME = {
    "Budget": "size_budget",
    "Candidate": "size_budget",
    "OutOfReach": "size_budget",
    "best": "size_budget",
    "frontier": "size_budget",
    "search": "size_budget",
    "shrink_run": "shrinking",
    "table": "size_budget",
    "write_search": "size_budget",
}
__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOME[name]}")
    return getattr(module, name)
