"""Narrower variants of a recipe: candidate students for `shrink`."""

from collections.abc import Mapping

from mmkeras.fusion import FUSIONS
from mmkeras.model.recipe import tower_options
from mmkeras.model.saved_tower import SavedTower
from mmkeras.spec import DataSpec, Modality

SCALES = (0.75, 0.5, 0.375, 0.25, 0.125)


def smaller(recipe: Mapping, spec: DataSpec, scale: float) -> dict:
    """Returns the recipe with every width times `scale`.

    Widths are multiples of 8, and at least 8, so that 8-bit kernels have no
    remainder. A preset and a saved model have one width, and are left out; a
    variant of one width becomes the default one of its kind.

    Args:
        recipe: Tables of the recipe.
        spec: The data spec, with the kind of each modality.
        scale: Share of the width, between 0 and 1.

    Example:

    >>> smaller({"fusion": {"units": 64}}, spec, 0.5)["fusion"]["units"]
    32
    """
    if not 0 < scale < 1:
        raise ValueError(f"`scale` must lie between 0 and 1. Received: {scale}")
    towers = {
        name: _tower(modality, recipe.get("towers", {}).get(name, {}), scale)
        for name, modality in spec.modalities.items()
    }
    fusion = FUSIONS.read(recipe.get("fusion", {}), "fusion")
    narrow = FUSIONS.narrower(fusion, scale).table()
    return {**recipe, "towers": towers, "fusion": narrow}


def _tower(modality: Modality, arguments: Mapping, scale: float) -> dict:
    options = tower_options(modality, arguments, "towers")
    known = modality.tower_options()
    if isinstance(options, SavedTower):
        options = known.read({"units": options.units})
    return known.narrower(options, scale).table()
