"""The stage that trains fusion and heads while the towers are frozen."""

import importlib.util
import random
import warnings
from collections.abc import Mapping
from typing import Any

import keras

from mmkeras import heads as head_kinds
from mmkeras.training.embeddings.cache import Embeddings, cache_embeddings
from mmkeras.training.embeddings.submodels import (
    frozen_model,
    fusion_model,
    input_readers,
)
from mmkeras.training.stages.definition import Stage
from mmkeras.training.stages.modality_weights import (
    ModalityWeightsFromValidation,
    modality_weighted_layers,
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
    fused = frozen_model(model) if cached is None else fusion_model(model)
    source = cached or data
    callbacks = []
    if source.validation is not None and modality_weighted_layers(fused):
        losses = head_kinds.losses(heads, model)
        callbacks = [
            ModalityWeightsFromValidation(fused, losses, source.validation)
        ]
    return Stage(
        "fusion",
        fused,
        source,
        settings.fusion_epochs,
        settings.learning_rate,
        # With a product, `configured_callbacks` would compute the modality
        # weights a second time, from raw inputs.
        product=None if callbacks else model,
        callbacks=callbacks,
    )


def _cached(
    settings: Any, model: keras.Model, data: Any, folder: str
) -> Embeddings | None:
    """Returns the towers' cached outputs; None where they are not cached."""
    # The cache is read by `tf.data`, on every backend.
    possible = importlib.util.find_spec("tensorflow") is not None
    wanted = possible if settings.cache is None else settings.cache
    if not wanted or not settings.fusion_epochs:
        return None
    readers = input_readers(model)
    if readers:
        if settings.cache:
            raise ValueError(
                "`cache` must be left out where a head reads an input itself, "
                "which a cache of embeddings does not hold. Received: "
                f"cache=True, and heads that read {', '.join(sorted(readers))}"
            )
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
