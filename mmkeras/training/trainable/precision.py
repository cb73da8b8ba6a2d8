"""Half precision in training, float32 in what is saved."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras

from mmkeras import keras_private as private
from mmkeras.arguments import check_choice

PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")


@contextmanager
def precision_scope(name: str) -> Iterator[None]:
    """Layers made in this context compute in half precision.

    Good on a GPU (float16, bfloat16) or a TPU (bfloat16); a CPU only becomes
    slower. Weights stay float32 and so do the heads. With float16, Keras
    scales the loss, so that small gradients do not vanish, and leaves out a
    step whose gradient overflows. Where it is "float32", nothing changes.

    Args:
        name: "float32", "mixed_float16" or "mixed_bfloat16".

    Raises:
        ValueError: If the name is another.

    Example:

    >>> with precision_scope("mixed_bfloat16"):
    ...     model, heads = mmkeras.build_from_recipe(spec, statistics, recipe)
    >>> FullFineTune(precision="mixed_bfloat16").fit(model, data, heads)
    """
    check_choice("precision", name, PRECISIONS)
    before = keras.config.dtype_policy()
    if name != "float32":
        keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def check_precision(model: keras.Model, name: str) -> None:
    """Raises ValueError unless `model` was built in `precision_scope(name)`."""
    half = {p.name for _, p in _halved(model)}
    wanted = set() if name == "float32" else {name}
    if half != wanted:
        received = ", ".join(sorted(half)) or "float32"
        raise ValueError(
            "The model must be built within `precision_scope(precision)`. "
            f"Received: a model in {received}, with precision={name!r}"
        )


@contextmanager
def stored_as_float32(model: keras.Model) -> Iterator[None]:
    """Makes what is saved in this context compute in float32."""
    halved = _halved(model)
    for layer, _ in halved:
        layer.dtype_policy = "float32"
    try:
        yield
    finally:
        for layer, policy in halved:
            layer.dtype_policy = policy


def to_float32(model: keras.Model) -> None:
    """Makes `model` compute in float32 from now on, in place."""
    for layer, _ in _halved(model):
        layer.dtype_policy = "float32"
    forget_functions(model)


def forget_functions(model: keras.Model) -> None:
    """Lets Keras compile what it calls anew: the layers have changed."""
    model.train_function = None
    model.test_function = None
    model.predict_function = None


def _halved(model: keras.Model) -> list[tuple]:
    """Returns the layers that compute in half precision, with their policy."""
    return [
        (layer, layer.dtype_policy)
        for layer in private.layers_inside(model)
        if layer.compute_dtype != layer.variable_dtype
    ]
