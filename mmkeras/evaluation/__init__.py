"""Evaluation: how good a model is, compared with what, and where it fails."""

from mmkeras.evaluation.evaluate import (
    class_rows,
    evaluate,
    write_evaluation,
)
from mmkeras.evaluation.modality_subsets import subsets, without
from mmkeras.evaluation.predict import predict
from mmkeras.evaluation.report import render_report

__all__ = [
    "class_rows",
    "evaluate",
    "predict",
    "render_report",
    "subsets",
    "without",
    "write_evaluation",
]
