"""Evaluation: how good a model is, compared with what, and where it fails."""

from mmkeras.evaluation.cautions import cautions
from mmkeras.evaluation.evaluate import (
    class_rows,
    evaluate,
    write_evaluation,
)
from mmkeras.evaluation.modality_subsets import subsets, without
from mmkeras.evaluation.predict import predict
from mmkeras.evaluation.prediction_rows import prediction_rows
from mmkeras.evaluation.report import (
    learning_curves,
    number_of,
    render_report,
    score_of,
)
from mmkeras.evaluation.sample_view import show_sample

__all__ = [
    "cautions",
    "class_rows",
    "evaluate",
    "learning_curves",
    "number_of",
    "predict",
    "prediction_rows",
    "render_report",
    "score_of",
    "show_sample",
    "subsets",
    "without",
    "write_evaluation",
]
