"""Heads: what a kind of target needs as output layer, loss and metrics."""

from collections.abc import Mapping

import keras

from mmkeras.heads.anomaly import Anomaly, AnomalyOptions
from mmkeras.heads.box_layers import CellsToBoxes
from mmkeras.heads.box_losses import BoxLoss, BoxOverlap
from mmkeras.heads.boxes import Boxes, BoxesOptions
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
from mmkeras.heads.ctc import CTC, SymbolErrorRate
from mmkeras.heads.embedding import Embedding, EmbeddingOptions
from mmkeras.heads.forecast import Forecast, ForecastOptions
from mmkeras.heads.keras_metrics import (
    ClassDistance,
    NearestIsMatch,
    RootMeanSquaredErrorOf,
)
from mmkeras.heads.layers import ConditionalsToLogits, TokensToSteps
from mmkeras.heads.mask import FeatureWise, Mask, MaskOptions
from mmkeras.heads.mask_loss import DiceCrossEntropy, MaskDice
from mmkeras.heads.number import Number, NumberOptions
from mmkeras.heads.number_losses import ScaledHuber, ScaledMeanSquaredError
from mmkeras.heads.quantiles import interval_factors
from mmkeras.heads.sequence import Sequence, SequenceOptions
from mmkeras.heads.tags import OutsideWhereNothing, Tags, TagsOptions
from mmkeras.heads.text_cross import CrossTextDecoder
from mmkeras.heads.text_decoder import TextDecoder
from mmkeras.heads.text_hub import HubCrossTextDecoder, HubTextDecoder
from mmkeras.heads.transcript import (
    AddToFrames,
    TokensToFrames,
    Transcript,
    TranscriptOptions,
)
from mmkeras.heads.written_text import (
    LetterAccuracy,
    TextCrossentropy,
    WrittenText,
    WrittenTextOptions,
)

__all__ = [
    "Anomaly",
    "AnomalyOptions",
    "AddToFrames",
    "CTC",
    "BoxLoss",
    "BoxOverlap",
    "Boxes",
    "BoxesOptions",
    "Categories",
    "CategoriesOptions",
    "Category",
    "CategoryOptions",
    "CellsToBoxes",
    "ClassDistance",
    "ConditionalsToLogits",
    "CrossTextDecoder",
    "DiceCrossEntropy",
    "Embedding",
    "EmbeddingOptions",
    "FeatureWise",
    "Focal",
    "Forecast",
    "ForecastOptions",
    "Head",
    "HubCrossTextDecoder",
    "HubTextDecoder",
    "InfoNCE",
    "LetterAccuracy",
    "Mask",
    "MaskDice",
    "MaskOptions",
    "NearestIsMatch",
    "Number",
    "NumberOptions",
    "Ordinal",
    "OrdinalOptions",
    "OutsideWhereNothing",
    "RootMeanSquaredErrorOf",
    "ScaledHuber",
    "ScaledMeanSquaredError",
    "Sequence",
    "SequenceOptions",
    "SigLIP",
    "SparseCategoricalCrossentropy",
    "Tags",
    "TagsOptions",
    "TextCrossentropy",
    "TextDecoder",
    "SymbolErrorRate",
    "TokensToFrames",
    "TokensToSteps",
    "Transcript",
    "TranscriptOptions",
    "WeightedBinaryCrossentropy",
    "WrittenText",
    "WrittenTextOptions",
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
    | WrittenText
    | Transcript
    | Boxes
    | Mask
    | Tags
)


def losses(
    heads: Mapping[str, Head], model: keras.Model | None = None
) -> dict[str, keras.losses.Loss]:
    """Returns `loss` for `model.compile`.

    Args:
        heads: The heads, by target.
        model: The model that is trained; needed for a head that reads labels
            by a layer of it, as one that writes texts does.

    Example:

    >>> model.compile("adam", loss=losses(heads, model),
    ...               loss_weights=loss_weights(heads),
    ...               weighted_metrics=metrics(heads, model))
    """
    return {
        name: head.loss(*_layers(head, name, model))
        for name, head in sorted(heads.items())
    }


def loss_weights(heads: Mapping[str, Head]) -> dict[str, float]:
    """Returns `loss_weights` for `model.compile`."""
    return {name: head.weight for name, head in sorted(heads.items())}


def metrics(
    heads: Mapping[str, Head], model: keras.Model | None = None
) -> dict[str, list]:
    """Returns `weighted_metrics` for `model.compile`.

    Weighted, so that samples without a label do not count.

    Args:
        heads: The heads, by target.
        model: As for `losses`.
    """
    return {
        name: head.metrics(*_layers(head, name, model))
        for name, head in sorted(heads.items())
    }


def _layers(head: Head, name: str, model: keras.Model | None) -> tuple:
    """Returns what the loss of a head reads labels by."""
    if not getattr(head, "scores_by_layer", False):
        return ()
    if model is None:
        raise ValueError(
            f"`model` must be given where a head writes texts, as `{name}` "
            "does. Received: None"
        )
    return (model.get_layer(name),)
