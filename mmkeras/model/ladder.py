"""Smaller models of the same recipe: the students that a search tries."""

import inspect
from collections.abc import Mapping

from mmkeras.model.recipe import FUSIONS, TOWERS, parameters_of
from mmkeras.spec import DataSpec

# Arguments that say how wide a part is.
WIDTHS = ("filters", "hidden", "units", "width")
# Arguments that must divide the units, and the width where there is one.
PARTS = ("groups", "heads", "num_heads")
# Variants of an image tower that have one width only.
FIXED = ("efficientnet", "resnet")
SCALES = (0.75, 0.5, 0.375, 0.25, 0.125)


def smaller(recipe: Mapping, spec: DataSpec, scale: float) -> dict:
    """Returns the recipe with every width times `scale`.

    Widths are multiples of 8, and at least 8, so that 8-bit kernels have no
    remainder. A preset and a saved model have one width, and are left out; an
    image tower that has one width only becomes a plain `"cnn"`.

    Args:
        recipe: Tables of the recipe.
        spec: The data spec, which says of what kind each tower is.
        scale: Share of the width, between 0 and 1.

    Example:

    >>> smaller({"fusion": {"units": 64}}, spec, 0.5)["fusion"]["units"]
    32
    """
    if not 0 < scale < 1:
        raise ValueError(f"`scale` must lie between 0 and 1. Received: {scale}")
    towers = {
        name: _tower(
            modality.kind, recipe.get("towers", {}).get(name, {}), scale
        )
        for name, modality in spec.modalities.items()
    }
    fusion = {"method": "gated", **recipe.get("fusion", {})}
    fusion = _narrow(FUSIONS[fusion["method"]], fusion, scale)
    return {**recipe, "towers": towers, "fusion": fusion}


def _tower(kind: str, arguments: Mapping, scale: float) -> dict:
    kept = {
        k: v for k, v in arguments.items() if k not in ("model", "pretrained")
    }
    variant = str(kept.get("variant", ""))
    if kind == "image" and variant.startswith(FIXED):
        kept["variant"] = "cnn"
    if kind == "video" and variant != "cnn3d":
        given = kept.get("frame_tower", {})
        frame = _tower("image", given, scale)
        if "units" not in given:
            # As wide as the video's, then.
            del frame["units"]
        kept["frame_tower"] = frame
    kept = _narrow(TOWERS[kind], kept, scale)
    if variant == "moonshine":
        # Its positions turn at least four numbers of a head.
        kept["heads"] = min(kept.get("heads", 4), kept["width"] // 4)
    return kept


def _narrow(part, arguments: dict, scale: float) -> dict:
    defaults = {
        name: parameter.default
        for name, parameter in parameters_of(part).items()
        # The width of an image is no choice of the recipe.
        if parameter.default is not inspect.Parameter.empty
    }
    for name in WIDTHS:
        if name in defaults:
            width = arguments.get(name, defaults[name])
            arguments[name] = max(8, round(width * scale / 8) * 8)
    wide = [arguments[n] for n in ("units", "width") if n in arguments]
    for name in PARTS:
        parts = arguments.get(name, defaults.get(name))
        while parts and any(width % parts for width in wide):
            parts -= 1
            arguments[name] = parts
    return arguments
