"""Evaluation: how good a model is, compared with what, and where it fails."""

from mmkeras.evaluation.baselines import constant_outputs
from mmkeras.evaluation.between import recall_between
from mmkeras.evaluation.evaluate import evaluate, write_evaluation
from mmkeras.evaluation.measure import HEADLINES, measure
from mmkeras.evaluation.predict import predict
from mmkeras.evaluation.report import render_report
from mmkeras.evaluation.subsets import subsets, without

__all__ = [
    "HEADLINES",
    "constant_outputs",
    "evaluate",
    "measure",
    "predict",
    "recall_between",
    "render_report",
    "subsets",
    "without",
    "write_evaluation",
]
