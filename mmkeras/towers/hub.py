"""Backbones of keras_hub, and any Keras model, as towers."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from mmkeras.arguments import check_positive
from mmkeras.towers.masked_layers import MaskedMean

# What a tower returns, by name.
TOWER_OUTPUTS = {"vector", "tokens", "mask"}
TEXT_INPUTS = {"token_ids", "padding_mask", "segment_ids"}


def load_backbone(
    kind: str, config: Mapping, pretrained: str | None = None, **overrides: Any
) -> keras.Model:
    """Builds a keras_hub backbone, from a preset or from a configuration.

    Args:
        kind: Name of a class of `keras_hub.models`, such as
            `"ResNetBackbone"`.
        config: Its arguments; used where there is no preset.
        pretrained: Name of a preset, fetched over the network once, or a
            local folder that `save_to_preset` wrote. Defaults to random
            weights.
        **overrides: Arguments that replace those of the configuration, or of
            the preset.

    Returns:
        The backbone, named `"backbone"`.

    Raises:
        ValueError: If keras_hub has no such backbone, or the preset cannot be
            found, fetched or read as one.

    Example:

    >>> config = dict(vocabulary_size=100, num_layers=1, num_heads=2,
    ...               hidden_dim=8, intermediate_dim=16)
    >>> load_backbone("BertBackbone", config).output["pooled_output"].shape
    (None, 8)
    """
    # Imported here: keras_hub takes seconds, and most towers need none of it.
    from keras_hub import models

    make = getattr(models, kind, None)
    if not inspect.isclass(make) or not issubclass(make, models.Backbone):
        raise ValueError(
            "`kind` must be a backbone of keras_hub.models, such as "
            f"'ResNetBackbone'. Received: kind={kind!r}"
        )
    overrides = {**overrides, "name": "backbone"}
    if pretrained is None:
        return make(**{**config, **overrides})
    try:
        return make.from_preset(pretrained, **overrides)
    # No network, no such folder, another class, a damaged file.
    except Exception as error:
        reason = (str(error).strip().splitlines() or [""])[0]
        raise ValueError(
            f"`pretrained` must be a preset of {make.__name__} that "
            "can be fetched, or a local folder that `save_to_preset` wrote. "
            f"Received: pretrained={pretrained!r} "
            f"({type(error).__name__}: {reason[:300]})"
        ) from error


def as_tower(
    model: keras.Model,
    name: str,
    units: int = 64,
    shape: Sequence[int] | None = None,
    dtype: str | None = None,
) -> keras.Model:
    """Makes a tower of any Keras model, such as a backbone of keras_hub.

    A model whose output is the dict of a tower is taken as it is. Any other
    output gets one dense layer more, which makes tokens of it:

    | output | tokens | vector |
    | --- | --- | --- |
    | `(batch, d)` | one | that one |
    | `(batch, t, d)` | `t` | their mean |
    | `(batch, h, w, d)` | `h * w` | their mean |
    | keras_hub's dict | from `sequence_output` | from `pooled_output` |

    Gaps of a series and missing cells are NaN. Where the model makes NaN of
    them, it gets zeros instead.

    Args:
        model: Functional or Sequential model of one input, or a text backbone
            of keras_hub, whose `padding_mask` is then where ids are not 0.
        name: Name of the modality, and of the input.
        units: Width of the vector and of the tokens.
        shape: Shape of one sample. Needed where the model leaves it open.
        dtype: Type of the input. Defaults to the model's own; an image of a
            spec arrives as `"uint8"`.

    Returns:
        Model named `<name>_tower` from `(batch, *shape)` to
        `{"vector": (batch, units), "tokens": (batch, t, units),
        "mask": (batch, t)}`; the mask is all ones but where text is padded.

    Raises:
        ValueError: If the model has several inputs, a shape that stays open,
            or an output of another form.

    Example:

    >>> model = keras.applications.MobileNetV3Small(weights=None,
    ...                                             include_top=False)
    >>> tower = as_tower(model, "image", shape=(64, 64, 3), dtype="uint8")
    >>> tower.output["tokens"].shape
    (None, 4, 64)
    """
    check_positive(units=units)
    own = _input(model)
    shape = own.shape[1:] if shape is None else tuple(shape)
    if None in shape:
        raise ValueError(
            "`shape` is needed where the model leaves the shape of a "
            f"sample open. Received: a model for samples of shape {shape}"
        )
    x = keras.Input(shape, dtype=dtype or own.dtype, name=name)
    given = x if x.dtype == own.dtype else ops.cast(x, own.dtype)
    if not _takes_gaps(model, own, shape):
        given = ops.where(ops.isnan(given), ops.zeros_like(given), given)
    real = ops.not_equal(x, 0) if own.name == "token_ids" else None
    found = model(_arguments(model, given, real))
    if not is_tower_output(found):
        found = _rows(found, real, units, name)
    return keras.Model(x, dict(found), name=f"{name}_tower")


def is_tower_output(found: Any) -> bool:
    """Whether a model's output is what a tower returns.

    With `skips`, feature maps, finest first, where a target needs them.
    """
    if not isinstance(found, Mapping):
        return False
    return set(found) - {"skips"} == TOWER_OUTPUTS


def _input(model):
    """Returns the one input that has to be fed."""
    inputs = getattr(model, "inputs", None) or []
    names = {tensor.name for tensor in inputs}
    if "token_ids" in names and names <= TEXT_INPUTS:
        return next(t for t in inputs if t.name == "token_ids")
    if len(inputs) != 1:
        raise ValueError(
            "`model` must be a Functional or Sequential model with "
            "one input, or a text backbone of keras_hub. Received: "
            f"{type(model).__name__} with the inputs {sorted(names)}"
        )
    return inputs[0]


def _takes_gaps(model, own, shape):
    """Whether the model's output stays finite for NaN in a row or a series."""
    if len(shape) > 2 or "float" not in own.dtype:
        return True
    gaps = np.full((1, *shape), np.nan, own.dtype)
    found = keras.tree.flatten(
        model(_arguments(model, gaps, None), training=False)
    )
    return all(
        np.isfinite(ops.convert_to_numpy(one)).all()
        for one in found
        if "float" in keras.backend.standardize_dtype(one.dtype)
    )


def _arguments(model, x, real):
    """Returns the structure of arguments that the model is called with."""
    if isinstance(model, keras.Sequential):
        return x
    arguments = {}
    if real is not None:
        arguments["padding_mask"] = ops.cast(real, "int32")
        arguments["segment_ids"] = ops.zeros_like(x)
    return keras.tree.map_structure(
        lambda tensor: arguments.get(tensor.name, x), model.input
    )


def _rows(found, real, units, name):
    """Returns the dict of a tower, from any output of a known form."""
    pooled = None
    if isinstance(found, Mapping) and "sequence_output" in found:
        pooled, found = found.get("pooled_output"), found["sequence_output"]
    rank = len(getattr(found, "shape", ()))
    if rank not in (2, 3, 4):
        raise ValueError(
            "`model` must return one tensor (batch, d), "
            "(batch, t, d) or (batch, h, w, d), or a dict with "
            "`sequence_output`, or with `vector`, `tokens` and `mask`. "
            f"Received: {keras.tree.map_structure(lambda t: t.shape, found)}"
        )
    if rank != 3:
        found = layers.Reshape((-1, found.shape[-1]), name=f"{name}_rows")(
            found
        )
    tokens = layers.Dense(units, name=f"{name}_tokens")(found)
    mask = ops.ones_like(tokens[:, :, 0], dtype="float32")
    if real is not None:
        mask = ops.cast(real, "float32")
    if pooled is None:
        vector = MaskedMean(name=f"{name}_vector")(tokens, mask)
    else:
        vector = layers.Dense(units, name=f"{name}_vector")(pooled)
    return {"vector": vector, "tokens": tokens, "mask": mask}
