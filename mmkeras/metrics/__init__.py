"""Figures of predictions, each written once.

What is measured is a function of how often each sample is drawn (`Figures`),
so that a figure and its interval are one formula. Nothing here depends on kinds
of
target: it takes labels, outputs and weights, and weighs as Keras weighs.
"""

from mmkeras.metrics.anomalies import anomalies
from mmkeras.metrics.bootstrap import (
    CONFIDENCE,
    FEW_GROUPS,
    RESAMPLES,
    draws,
    drop_spans,
    measure,
    resample,
    span_of,
)
from mmkeras.metrics.boxes import (
    SURE,
    average_precision,
    box_errors,
    same_boxes,
)
from mmkeras.metrics.calibration import calibration_error, worst_class
from mmkeras.metrics.classes import (
    THRESHOLD,
    Decisions,
    any_classes,
    confusion,
    multi_label,
    one_class,
    per_class,
    per_step,
    single_label,
)
from mmkeras.metrics.descriptions import (
    Description,
    describe,
    figures_kept,
    register_figure,
)
from mmkeras.metrics.detections import find_boxes
from mmkeras.metrics.entities import entities, missed_spans
from mmkeras.metrics.figures import (
    Figures,
    finite,
    has_label,
    labelled,
    means,
    of_sums,
    weighted_share,
)
from mmkeras.metrics.forecasts import forecasts
from mmkeras.metrics.numbers import regression
from mmkeras.metrics.ordinal import ordered_classes, rank_of
from mmkeras.metrics.overlap import (
    classes_of,
    mask_counts,
    overlap,
    sample_dice,
)
from mmkeras.metrics.paired import (
    MAX_SEEDS,
    MIN_SEEDS,
    estimate,
    holm,
    paired,
    seeds_for,
    sign_flip,
    smallest_p,
)
from mmkeras.metrics.retrieval import nearest, recall_between, recall_within
from mmkeras.metrics.sample_errors import binary_cross_entropy, cross_entropy
from mmkeras.metrics.steps import step_classes
from mmkeras.metrics.tagged_spans import find_spans, sureness, tags_of
from mmkeras.metrics.texts import text_overlap, written_texts
from mmkeras.metrics.transcripts import aligned, edits, transcript_errors

__all__ = [
    "CONFIDENCE",
    "Decisions",
    "Description",
    "FEW_GROUPS",
    "Figures",
    "MAX_SEEDS",
    "MIN_SEEDS",
    "RESAMPLES",
    "SURE",
    "THRESHOLD",
    "anomalies",
    "aligned",
    "any_classes",
    "average_precision",
    "binary_cross_entropy",
    "box_errors",
    "calibration_error",
    "classes_of",
    "confusion",
    "cross_entropy",
    "describe",
    "draws",
    "drop_spans",
    "edits",
    "entities",
    "estimate",
    "figures_kept",
    "find_boxes",
    "find_spans",
    "finite",
    "forecasts",
    "has_label",
    "holm",
    "labelled",
    "mask_counts",
    "means",
    "measure",
    "missed_spans",
    "multi_label",
    "nearest",
    "of_sums",
    "one_class",
    "ordered_classes",
    "overlap",
    "paired",
    "per_class",
    "per_step",
    "rank_of",
    "recall_between",
    "recall_within",
    "register_figure",
    "regression",
    "resample",
    "same_boxes",
    "sample_dice",
    "seeds_for",
    "sign_flip",
    "single_label",
    "smallest_p",
    "span_of",
    "step_classes",
    "sureness",
    "tags_of",
    "transcript_errors",
    "worst_class",
    "weighted_share",
    "text_overlap",
    "written_texts",
]
