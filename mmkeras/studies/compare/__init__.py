"""The comparison: which strategy is better for these data, with intervals.

`compare` trains every arm with every seed under one budget and writes the
report; `summary` and `report` work on what was measured alone,
without TensorFlow.
"""

from mmkeras.front_doors import front_door

_HOME = {
    "Arm": "arms",
    "Cost": "cost",
    "Plan": "arms",
    "Table": "table",
    "as_text": "report",
    "classes_of": "measurement",
    "compact_number": "report:compact",
    "compare": "run",
    "conclude": "conclusion_text",
    "few_labels": "train",
    "figures_of": "measurement",
    "headlines_of": "measurement",
    "make_plan": "arms",
    "noisy": "noise",
    "parts_of": "cost",
    "render_report": "report",
    "sample_cost": "cost",
    "summarise": "summary",
    "undecided": "conclusion_text",
    "write_comparison": "report_folder",
}

__all__ = sorted(_HOME)
__getattr__, __dir__ = front_door(__name__, _HOME)
