"""LoRA: fine-tuning by low-rank changes, merged when it is done."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras

from mmkeras import keras_private as private
from mmkeras.training.trainable.patterns import places, select
from mmkeras.training.trainable.precision import forget_functions
from mmkeras.training.trainable.single_towers import modalities

# The attributes of the two factors.
_FACTORS = {
    keras.layers.Dense: ("lora_kernel_a", "lora_kernel_b"),
    keras.layers.EinsumDense: ("lora_kernel_a", "lora_kernel_b"),
    keras.layers.Embedding: ("lora_embeddings_a", "lora_embeddings_b"),
}
# `lora_enabled`, `lora_rank` and `lora_alpha` of a plain layer.
_NONE = (False, None, None)


def add_lora(
    model: keras.Model,
    rank: int,
    patterns: Sequence[str] | None = None,
    alpha: float | None = None,
) -> list[keras.layers.Layer]:
    """Adds a low-rank change to layers, trained in place of their kernels.

    Good for large pretrained towers: `rank * (inputs + outputs)` weights
    are trained in a layer instead of `inputs * outputs`. The kernel is
    frozen; biases and all other layers are trained as before. At first the
    change is zero.

    Args:
        model: The model, changed in place; `merge_lora` makes it plain.
        rank: Rank of the change.
        patterns: Weights or layers by name; the Dense, EinsumDense and
            Embedding layers among them get the change. None for the towers.
        alpha: The change is multiplied by `alpha / rank`; None for `rank`.

    Returns:
        The layers that have a change now.

    Raises:
        ValueError: If there is no such layer, or one cannot be changed.

    Source: Hu et al., "LoRA", 2021 (arXiv 2106.09685). The layers' own
    `enable_lora` does it.

    Example:

    >>> layers = add_lora(model, 4, ["text_tower/*"])
    >>> model.fit(data.train, epochs=3)
    >>> model = merge_lora(model)
    """
    if patterns is None:
        patterns = tower_patterns(model)
    found = select(places(model), patterns, "lora_patterns")
    chosen = {id(p.layer): p for p in found if takes_lora(p.layer)}
    if not chosen:
        raise ValueError(
            "`lora_patterns` must match a Dense, EinsumDense or Embedding "
            f"layer. Received: {list(patterns)}, which match other layers"
        )
    for place in chosen.values():
        _check(place.layer, place.path)
    layers = [place.layer for place in chosen.values()]
    for layer in layers:
        # A frozen layer, such as a table of word vectors: its change is
        # trained.
        layer.trainable = True
        layer.enable_lora(rank, lora_alpha=alpha)
    return layers


def merge_lora(model: keras.Model) -> keras.Model:
    """Adds each change to its kernel, and returns the model without any.

    The model is changed in place and has the same outputs. Compile it anew to
    train it further.
    """
    forget_functions(model)
    for layer in _changed(model):
        kernel = private.plain_kernel(layer)
        kernel.assign(_merged(layer))
        for name in _factors(layer):
            private.forget_variable(layer, getattr(layer, name))
            setattr(layer, name, None)
        layer.lora_enabled, layer.lora_rank, layer.lora_alpha = _NONE
        kernel.trainable = True
    return model


@contextmanager
def merged(model: keras.Model) -> Iterator[None]:
    """Makes what is saved in this context plain; goes on with LoRA after."""
    kept = []
    for layer in _changed(model):
        kernel = private.plain_kernel(layer)
        state = (layer.lora_enabled, layer.lora_rank, layer.lora_alpha)
        kept.append((layer, kernel, keras.ops.copy(kernel), state))
        kernel.assign(_merged(layer))
        layer.lora_enabled, layer.lora_rank, layer.lora_alpha = _NONE
    try:
        yield
    finally:
        for layer, kernel, value, state in kept:
            kernel.assign(value)
            layer.lora_enabled, layer.lora_rank, layer.lora_alpha = state


def _changed(model: keras.Model) -> list[keras.layers.Layer]:
    layers = private.layers_inside(model)
    return [each for each in layers if getattr(each, "lora_enabled", False)]


def _merged(layer: keras.layers.Layer) -> Any:
    # Not the layer's `kernel`, which may be rounded to half precision.
    kernel = private.plain_kernel(layer)
    change = keras.ops.matmul(*(getattr(layer, n) for n in _factors(layer)))
    return kernel + (layer.lora_alpha / layer.lora_rank) * change


def tower_patterns(model: keras.Model) -> list[str]:
    """Returns patterns of all towers."""
    return [f"{name}_tower/*" for name in modalities(model)]


def takes_lora(layer: keras.layers.Layer) -> bool:
    """Whether `add_lora` can change this kind of layer."""
    return isinstance(layer, tuple(_FACTORS))


def _factors(layer: keras.layers.Layer) -> tuple[str, str]:
    return next(f for kind, f in _FACTORS.items() if isinstance(layer, kind))


def _check(layer: keras.layers.Layer, path: str) -> None:
    where = path.rpartition("/")[0] or layer.name
    if layer.lora_enabled:
        raise ValueError(
            "LoRA goes into layers that have none. Received: "
            f"`{where}`, which has LoRA of rank {layer.lora_rank}; "
            "`merge_lora` comes first"
        )
    if layer.dtype_policy.quantization_mode:
        raise ValueError(
            "LoRA goes into layers of float weights. Received: "
            f"`{where}`, quantized to {layer.dtype_policy.quantization_mode}"
        )
