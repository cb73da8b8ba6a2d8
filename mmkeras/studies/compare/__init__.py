"""The comparison: which strategy is better for these data, with intervals.

`compare` trains every arm with every seed under one budget and writes the
report; `summary` and `report` work on what was measured alone,
without TensorFlow.
"""

from mmkeras.front_doors import front_door

_HOME = {
    "Arm": "arms",
    "Plan": "arms",
    "compare": "run",
    "make_plan": "arms",
    "render_report": "report",
    "summarise": "summary",
}

__all__ = sorted(_HOME)
__getattr__, __dir__ = front_door(__name__, _HOME)
