"""The comparison: which strategy is better for these data, with intervals.

`compare` trains every arm with every seed under one budget and writes the
report; `summary` and `report` work on what was measured alone,
without TensorFlow.
"""

import importlib

_HOME = {
    "Arm": "arms",
    "Plan": "arms",
    "compare": "run",
    "make_plan": "arms",
    "render_report": "report",
    "summarise": "summary",
}

__all__ = sorted(_HOME)


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no '{name}'")
    home = importlib.import_module(f"{__name__}.{_HOME[name]}")
    return getattr(home, name)
