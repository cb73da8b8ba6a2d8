"""The objectives of pretraining one tower without labels."""

import inspect
from typing import Any

import keras
import numpy as np
from keras import ops

from mmkeras.arguments import check_choice, check_keys
from mmkeras.training.pretext.autoencode import autoencode
from mmkeras.training.pretext.contrastive import Contrast, contrastive
from mmkeras.training.pretext.masked import masked
from mmkeras.training.pretext.next_step import next_step
from mmkeras.training.pretext.reconstruct import Reconstruct
from mmkeras.training.strategies.settings import is_real
from mmkeras.training.trainable.towers import input_names, tower_of

KINDS = ("audio", "image", "series", "text", "vector", "video", "volume")
# Each objective, and the kinds of modality that it suits.
OBJECTIVES = {
    "contrastive": KINDS,
    "masked": KINDS,
    "autoencode": KINDS,
    "next_step": ("audio", "series", "text", "video"),
}
_COUNT = ("a positive whole number", lambda v: type(v) is int and v > 0)
# What options must be, in words and as a test.
_VALUES = {
    "blocks": _COUNT,
    "fraction": ("above 0 and at most 1", lambda v: is_real(v) and 0 < v <= 1),
    "hidden": ("from 0 up to, but not, 1", lambda v: is_real(v) and 0 <= v < 1),
    "places": _COUNT,
    "temperature": ("above 0", lambda v: is_real(v) and v > 0),
    "units": _COUNT,
    "vocabulary_size": _COUNT,
    "width": _COUNT,
}
_MAKE = {
    "contrastive": (contrastive, Contrast),
    "masked": (masked, Reconstruct),
    "autoencode": (autoencode, Reconstruct),
    "next_step": (next_step, Reconstruct),
}


def pretext_model(
    whole: keras.Model,
    name: str,
    objective: str,
    spec: Any = None,
    kind: str | None = None,
    **options: Any,
) -> keras.Model:
    """Returns a model that teaches one tower of `whole` without labels.

    | objective | good for |
    | --- | --- |
    | `"contrastive"` | where it is known what a label does not depend on |
    | `"masked"` | speech, text, series; pictures with a transformer |
    | `"autoencode"` | rows, short series, small pictures |
    | `"next_step"` | towers that read a stream |

    It shares the tower's weights with `whole`; what else it has is thrown
    away. Its loss needs no targets: compile it with an optimizer alone, and
    fit it on `Unlabelled` data.

    Args:
        whole: Functional model with an input `name` and a layer
            `<name>_tower`.
        name: The modality.
        objective: A key of `OBJECTIVES`.
        spec: The data spec, whose `modalities[name].kind` is the kind.
        kind: The kind, where there is no spec. Defaults to what the tower's
            input tells by its type and axes. A row of floats is a "vector"
            where the tower has one token, or one a column, and else "audio".
        **options: Arguments of the objective: see `contrastive`, `masked`,
            `autoencode` and `next_step`.

    Returns:
        Model from `{name: x}`, `x` being what the tower takes.

    Raises:
        ValueError: If the objective does not suit the modality or the tower,
            or an option is none of its.

    Example:

    >>> model = pretext_model(whole, "image", "contrastive", temperature=0.1)
    >>> model.compile(keras.optimizers.AdamW(1e-3))
    >>> model.fit(Unlabelled(data, "image", None).train, epochs=10)
    """
    like, tower = input_names(whole).get(name), tower_of(whole, name)
    kind = kind or (spec and spec.modalities[name].kind) or kind_of(tower)
    check_objective(objective, name, kind)
    make, model = _MAKE[objective]
    _check_options(objective, make, options)
    x = keras.Input(like.shape[1:], dtype=like.dtype, name=name)
    if "fill" in inspect.signature(make).parameters:
        options["fill"] = _fill(tower, kind)
    outputs = make(tower, x, kind, **options)
    return model({name: x}, outputs, name=f"{name}_{objective}")


def check_objective(objective: str, name: str, kind: str) -> None:
    """Raises ValueError unless the objective is one for that kind."""
    check_choice("objective", objective, OBJECTIVES)
    check_choice("kind", kind, KINDS)
    if kind not in OBJECTIVES[objective]:
        suited = [one for one in OBJECTIVES if kind in OBJECTIVES[one]]
        raise ValueError(
            f"`objective` must suit `{name}`, whose kind is '{kind}'. "
            f"Received: {objective!r}. Choices: {', '.join(suited)}"
        )


def kind_of(tower: keras.Model) -> str:
    """Returns the kind of modality that a tower reads, from its shapes."""
    like = tower.inputs[0]
    axes, pixels = len(like.shape) - 1, like.dtype == "uint8"
    if axes == 1 and "int" in like.dtype:
        return "text"
    if axes == 1:
        tokens = tower.output["tokens"].shape[1]
        return "vector" if tokens in (1, like.shape[1]) else "audio"
    found = {(2, False): "series", (3, True): "image", (3, False): "image"}
    found |= {(4, True): "video", (4, False): "volume"}
    if (axes, pixels) not in found:
        raise ValueError(
            "`kind` is needed for a tower whose input tells none. Received: "
            f"`{tower.name}` from {like.dtype} {like.shape}. Choices: "
            f"{', '.join(KINDS)}"
        )
    return found[axes, pixels]


def _check_options(objective, make, options):
    allowed = list(inspect.signature(make).parameters)[3:]
    allowed = [key for key in allowed if key != "fill"]
    check_keys(objective, options, allowed)
    for key, value in options.items():
        words, good = _VALUES.get(key, ("", lambda _: True))
        if value is not None and not good(value):
            raise ValueError(f"`{key}` must be {words}. Received: {value!r}")


def _fill(tower, kind):
    """Returns what hides: NaN for cells, if the tower takes it, or noise.

    Noise with the statistics of a row, of columns in units of their own, would
    be none.
    """
    if kind not in ("series", "vector"):
        return "noise"
    like = tower.inputs[0]
    missing = np.full((1, *like.shape[1:]), np.nan, "float32")
    found = ops.convert_to_numpy(tower(missing, training=False)["vector"])
    if np.isfinite(found).all():
        return "nan"
    return "noise" if kind == "series" else "zero"
