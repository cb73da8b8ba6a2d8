"""Heads: what a kind of target needs as output layer, loss and metrics."""

from collections.abc import Mapping

import keras

from mmkeras.heads.anomaly import Anomaly, AnomalyOptions
from mmkeras.heads.class_losses import (
    Focal,
    SparseCategoricalCrossentropy,
    WeightedBinaryCrossentropy,
    balanced,
)
from mmkeras.heads.classes import (
    Categories,
    CategoriesOptions,
    Category,
    CategoryOptions,
    Ordinal,
    OrdinalOptions,
)
from mmkeras.heads.contrastive import InfoNCE, SigLIP
from mmkeras.heads.embedding import Embedding, EmbeddingOptions
from mmkeras.heads.forecast import Forecast, ForecastOptions
from mmkeras.heads.keras_metrics import (
    ClassDistance,
    NearestIsMatch,
    RootMeanSquaredErrorOf,
)
from mmkeras.heads.layers import ConditionalsToLogits, TokensToSteps
from mmkeras.heads.number import Number, NumberOptions
from mmkeras.heads.number_losses import ScaledHuber, ScaledMeanSquaredError
from mmkeras.heads.quantiles import interval_factors
from mmkeras.heads.sequence import Sequence, SequenceOptions

__all__ = [
    "Anomaly",
    "AnomalyOptions",
    "Categories",
    "CategoriesOptions",
    "Category",
    "CategoryOptions",
    "ClassDistance",
    "ConditionalsToLogits",
    "Embedding",
    "EmbeddingOptions",
    "Focal",
    "Forecast",
    "ForecastOptions",
    "Head",
    "InfoNCE",
    "NearestIsMatch",
    "Number",
    "NumberOptions",
    "Ordinal",
    "OrdinalOptions",
    "RootMeanSquaredErrorOf",
    "ScaledHuber",
    "ScaledMeanSquaredError",
    "Sequence",
    "SequenceOptions",
    "SigLIP",
    "SparseCategoricalCrossentropy",
    "TokensToSteps",
    "WeightedBinaryCrossentropy",
    "balanced",
    "interval_factors",
    "loss_weights",
    "losses",
    "metrics",
]

Head = (
    Category
    | Categories
    | Ordinal
    | Sequence
    | Number
    | Embedding
    | Forecast
    | Anomaly
)


def losses(heads: Mapping[str, Head]) -> dict[str, keras.losses.Loss]:
    """Returns `loss` for `model.compile`.

    Example:

    >>> model.compile("adam", loss=losses(heads),
    ...               loss_weights=loss_weights(heads),
    ...               weighted_metrics=metrics(heads))
    """
    return {name: head.loss() for name, head in sorted(heads.items())}


def loss_weights(heads: Mapping[str, Head]) -> dict[str, float]:
    """Returns `loss_weights` for `model.compile`."""
    return {name: head.weight for name, head in sorted(heads.items())}


def metrics(heads: Mapping[str, Head]) -> dict[str, list]:
    """Returns `weighted_metrics` for `model.compile`.

    Weighted, so that samples without a label do not count.
    """
    return {name: head.metrics() for name, head in sorted(heads.items())}
