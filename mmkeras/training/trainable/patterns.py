"""Weights by name: their paths in a model, and which a pattern matches."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import keras

from mmkeras import keras_private as private


@dataclass(frozen=True)
class Place:
    """Where a weight is.

    Args:
        path: Names of the layers around it and its own, such as
            "audio_tower/stem/kernel", however the layers were built.
        weight: The weight.
        layer: The innermost layer, whose own it is.
    """

    path: str
    weight: Any
    layer: keras.layers.Layer


def places(model: keras.Model) -> list[Place]:
    """Returns the place of every weight of `model`.

    Keras' own `weight.path` lacks the names of towers around a layer, and two
    towers may have layers of one name.
    """
    found: list[Place] = []
    _walk(model, "", found)
    return found


def _walk(layer: keras.layers.Layer, path: str, found: list[Place]) -> None:
    inner = private.layers_right_inside(layer)
    others = {id(w) for each in inner for w in each.weights}
    for weight in layer.weights:
        if id(weight) not in others:
            found.append(Place(f"{path}{weight.name}", weight, layer))
    for each in inner:
        _walk(each, f"{path}{each.name}/", found)


def matches(path: str, pattern: str) -> bool:
    """Whether `pattern` matches this weight, or a layer around it.

    `*` stands for anything, slashes too, `?` for a character, `[ab]` for one
    of several.

    Example:

    >>> matches("audio_tower/stem/kernel", "audio_tower/*")
    True
    >>> matches("audio_tower/stem/kernel", "*/stem")
    True
    """
    parts = path.split("/")
    around = ("/".join(parts[:end]) for end in range(1, len(parts) + 1))
    return any(fnmatchcase(each, pattern) for each in around)


def select(
    found: Iterable[Place], patterns: Iterable[str], argument: str
) -> list[Place]:
    """Returns the places that one of `patterns` matches.

    Raises:
        ValueError: If a pattern matches none; the message names similar paths.
    """
    found = list(found)
    chosen: dict[int, Place] = {}
    for pattern in patterns:
        here = [place for place in found if matches(place.path, pattern)]
        if not here:
            raise ValueError(
                f"Every pattern of `{argument}` must match a weight or a "
                f"layer. Received: {pattern!r}, which matches none. "
                f"{_near(pattern, found)}"
            )
        chosen |= {id(place.weight): place for place in here}
    return list(chosen.values())


def _near(pattern: str, found: list[Place]) -> str:
    known: dict[str, str] = {}
    for place in found:
        parts = place.path.split("/")
        for end in range(1, len(parts) + 1):
            path = "/".join(parts[:end])
            # By the whole path, or by its last name alone.
            known |= {path: path}
            known.setdefault(parts[end - 1], path)
    bare = pattern.replace("*", "").strip("/")
    close = difflib.get_close_matches(bare, known, n=3, cutoff=0.6)
    if close:
        return "Near: " + ", ".join(dict.fromkeys(known[c] for c in close))
    first = dict.fromkeys(place.path.split("/")[0] for place in found)
    return "Choices begin with: " + ", ".join(first)
