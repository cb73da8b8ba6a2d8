"""Towers, fusion and heads joined into one functional model."""

from collections.abc import Mapping
from typing import Any

import keras

from mmkeras.fusion import ModalityDropout
from mmkeras.heads import Head
from mmkeras.spec import DataSpec


def build_model(
    spec: DataSpec,
    towers: Mapping[str, keras.Model],
    fusion: keras.layers.Layer,
    heads: Mapping[str, Head],
    modality_dropout: float = 0.0,
) -> keras.Model:
    """Joins towers, fusion and heads into one functional model.

    Args:
        spec: The data spec; its optional modalities get the input `present`.
        towers: A tower a modality: a model from one input to
            `{"vector": (batch, d), "tokens": (batch, t, d),
            "mask": (batch, t)}`.
        fusion: Layer from `{modality: tower output}` to `(batch, units)`.
        heads: A head a target.
        modality_dropout: Probability that an optional modality is dropped
            from a training sample.

    Returns:
        A model from `{modality: x}`, plus `present` `(batch, n_optional)`
        where modalities are optional, to `{target: y}`.

    Example:

    >>> model = build_model(
    ...     spec,
    ...     towers={"image": image_tower(28, 28, 1),
    ...             "audio": audio_tower(8000, 8000)},
    ...     fusion=Gated(64),
    ...     heads={"digit": Category(10)},
    ... )
    """
    _check_names("towers", towers, spec.modalities)
    _check_names("heads", heads, spec.targets)

    inputs = {
        name: keras.Input(
            towers[name].inputs[0].shape[1:],
            dtype=towers[name].inputs[0].dtype,
            name=name,
        )
        for name in sorted(towers)
    }
    features = {name: towers[name](inputs[name]) for name in sorted(towers)}

    if spec.optional:
        present, columns = _present(spec, modality_dropout)
        fused = fusion(features, present=columns)
        inputs["present"] = present
    else:
        fused = fusion(features)

    outputs = {name: heads[name](fused, name) for name in sorted(heads)}
    return keras.Model(inputs, outputs, name=spec.name)


def _present(spec: DataSpec, dropout: float) -> tuple[Any, dict[str, Any]]:
    """Returns the input `present` and its column for each modality."""
    names = spec.optional
    present = keras.Input((len(names),), dtype="float32", name="present")
    kept = present
    if dropout:
        kept = ModalityDropout(
            dropout,
            keep_one=len(names) == len(spec.modalities),
            name="modality_dropout",
        )(present)
    return present, {n: kept[:, i : i + 1] for i, n in enumerate(names)}


def _check_names(argument: str, given: Mapping, wanted: Mapping) -> None:
    if set(given) != set(wanted):
        raise ValueError(
            f"`{argument}` must have one entry for each of "
            f"{sorted(wanted)}. Received: {sorted(given)}"
        )
