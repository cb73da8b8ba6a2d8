"""The stage in which fusion and heads learn and the towers rest."""

import importlib.util
import random
import warnings
from collections.abc import Mapping
from typing import Any

import keras

from mmkeras import heads as head_kinds
from mmkeras.training.embeddings.cache import Embeddings, cache_embeddings
from mmkeras.training.embeddings.submodels import fusion_model, resting_model
from mmkeras.training.stages.definition import Stage
from mmkeras.training.stages.modality_weights import (
    VotesFromValidation,
    voting_layers,
)


def fusion_stage(
    settings: Any,
    model: keras.Model,
    data: Any,
    heads: Mapping[str, Any],
    folder: str,
) -> Stage:
    """Returns the stage "fusion", from a cache where that is possible.

    Args:
        settings: A `ComponentPretrain`.
        model: The whole model, its towers frozen.
        data: Has `train` and `validation`.
        heads: The heads of the model.
        folder: Where the cache goes; must last as long as the stage.
    """
    cached = _cached(settings, model, data, folder)
    fused = resting_model(model) if cached is None else fusion_model(model)
    given = cached or data
    votes = []
    if given.validation is not None and voting_layers(fused):
        losses = head_kinds.losses(heads)
        votes = [VotesFromValidation(fused, losses, given.validation)]
    return Stage(
        "fusion",
        fused,
        given,
        settings.fusion_epochs,
        settings.learning_rate,
        # With a product, votes would be sought from raw inputs, once more.
        product=None if votes else model,
        callbacks=votes,
    )


def _cached(
    settings: Any, model: keras.Model, data: Any, folder: str
) -> Embeddings | None:
    """Returns what the towers say of `data`; None where it is not kept."""
    # The cache is read by `tf.data`, on every backend.
    possible = importlib.util.find_spec("tensorflow") is not None
    wanted = possible if settings.cache is None else settings.cache
    if not wanted or not settings.fusion_epochs:
        return None
    passes = settings.cache_passes
    if settings.budget_steps is None and settings.budget_sec is None:
        passes = min(passes, settings.fusion_epochs)
    # Python's numbers are seeded at the start of each stage.
    seed = random.randrange(2**31)
    try:
        return cache_embeddings(model, data, folder, passes, seed)
    except OSError as error:
        if settings.cache:
            raise
        warnings.warn(
            f"The towers run in every epoch of `fusion`: {error}",
            stacklevel=2,
        )
    return None
