"""The objectives of pretraining one tower without labels."""

import inspect
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import ops

from mmkeras.arguments import check_choice
from mmkeras.introspection import options_of
from mmkeras.options import Part, Variants
from mmkeras.spec import MODALITIES, Learned
from mmkeras.training.pretext.autoencode import autoencode
from mmkeras.training.pretext.contrastive import Contrast, contrastive
from mmkeras.training.pretext.masked import masked
from mmkeras.training.pretext.modality_support import Unsupervised
from mmkeras.training.pretext.next_step import next_step
from mmkeras.training.pretext.reconstruction import Reconstruct
from mmkeras.training.trainable.single_towers import input_names, tower_of
from mmkeras.values import BELOW_ONE, COUNT, PART, POSITIVE, WHOLE, or_none

# What options must be, by name; of several objectives alike.
CHECKS = {
    "ahead": COUNT,
    "blocks": or_none(COUNT),
    "fraction": or_none(PART),
    "hidden": BELOW_ONE,
    "mask_id": or_none(WHOLE),
    "places": COUNT,
    "temperature": POSITIVE,
    "units": COUNT,
    "vocabulary_size": or_none(COUNT),
    "width": COUNT,
}


def _part(make, model) -> Part:
    given = ("tower", "x", "facts", "fill")
    options = options_of(make, given, checks=CHECKS, objective="")
    return Part(options, (make, model))


OBJECTIVES = Variants(
    "objective",
    "contrastive",
    {
        "contrastive": _part(contrastive, Contrast),
        "masked": _part(masked, Reconstruct),
        "autoencode": _part(autoencode, Reconstruct),
        "next_step": _part(next_step, Reconstruct),
    },
)


def pretext_model(
    whole: keras.Model,
    name: str,
    objective: str,
    spec: Any = None,
    kind: str | None = None,
    learned: Learned | None = None,
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
        objective: One of the table above.
        spec: The data spec, whose `modalities[name].kind` is the kind.
        kind: The kind, where there is no spec. Defaults to the one that
            recognises the tower's input by its type and axes, see `kind_of`.
        learned: What reading took from the training split, such as a
            tokenizer, which says what hides a token; `data.learned[name]`.
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
    facts = MODALITIES.known[kind].pretext()
    if learned is not None:
        facts = replace(facts, **facts.of_learned(learned))
    chosen = OBJECTIVES.read({**options, "objective": objective})
    make, model = OBJECTIVES.build(chosen)
    options = chosen.arguments()
    del options["objective"]
    x = keras.Input(like.shape[1:], dtype=like.dtype, name=name)
    if "fill" in inspect.signature(make).parameters:
        options["fill"] = _fill(tower, facts)
    outputs = make(tower, x, facts, **options)
    return model({name: x}, outputs, name=f"{name}_{objective}")


def check_objective(objective: str, name: str, kind: str) -> None:
    """Raises ValueError unless the objective is one for that kind."""
    check_choice("objective", objective, OBJECTIVES.parts)
    offered = _offered()
    # Of a kind that is known, but whose towers do not learn so, too.
    check_choice("kind", kind, offered)
    suited = [
        n for n in OBJECTIVES.parts if n != "next_step" or offered[kind].ordered
    ]
    if objective not in suited:
        raise ValueError(
            f"`objective` must suit `{name}`, whose kind is '{kind}'. "
            f"Received: {objective!r}. Choices: {', '.join(suited)}"
        )


def _offered() -> dict[str, Unsupervised]:
    """Returns the kinds whose towers can learn without labels."""
    found = {n: each.pretext() for n, each in MODALITIES.known.items()}
    return {name: facts for name, facts in found.items() if facts is not None}


def kind_of(tower: keras.Model) -> str:
    """Returns the kind of modality that a tower reads, from its shapes.

    A row of floats is of numbers where the tower has one token, or one a
    column, and else of sound.
    """
    like = tower.inputs[0]
    shape, tokens = tuple(like.shape[1:]), tower.output["tokens"].shape[1]
    offered = _offered()
    for name, facts in offered.items():
        if facts.recognises(shape, like.dtype, tokens):
            return name
    raise ValueError(
        "`kind` is needed for a tower whose input tells none. Received: "
        f"`{tower.name}` from {like.dtype} {like.shape}. Choices: "
        f"{', '.join(offered)}"
    )


def _fill(tower, facts):
    """Returns what hides: NaN for cells, if the tower takes it, or noise.

    Noise with the statistics of a row, of columns in units of their own, would
    be none.
    """
    if not facts.gaps:
        return facts.hides
    like = tower.inputs[0]
    missing = np.full((1, *like.shape[1:]), np.nan, "float32")
    found = ops.convert_to_numpy(tower(missing, training=False)["vector"])
    return "nan" if np.isfinite(found).all() else facts.hides
