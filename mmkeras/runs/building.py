"""From a recipe to a model, and to narrower ones."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import keras

from mmkeras.fusion import FUSIONS, build_fusion
from mmkeras.heads import Head
from mmkeras.model import SavedTower, build_model, own_tower
from mmkeras.options import Options
from mmkeras.runs.data_facts import from_data
from mmkeras.runs.recipe import Recipe, read_recipe
from mmkeras.spec import DataSpec, Modality

# Shares of the width that a search for a smaller model tries.
SCALES = (0.75, 0.5, 0.375, 0.25, 0.125)


def build_from_recipe(
    spec: DataSpec,
    statistics: Mapping,
    recipe: Mapping[str, Any] | Recipe,
    data: Any = None,
) -> tuple[keras.Model, dict[str, Head]]:
    """Builds the model that a recipe describes.

    Args:
        spec: The data spec.
        statistics: Statistics of the training split, as `prepare` writes
            them.
        recipe: Tables of a recipe, such as `towers`, `fusion` and `heads`;
            what is left out has its default. Or what `read_recipe` returned.
        data: What `load_data` returns, for a recipe with `word_vectors`,
            which need the tokenizer, or with a `projection`, which is fitted
            on the training split.

    Returns:
        The model, and its heads by target.

    Raises:
        ValueError: If a key or a value of the recipe is wrong.
    """
    if not isinstance(recipe, Recipe):
        recipe = read_recipe(recipe, spec)
    towers = {
        name: _tower(spec, name, recipe, statistics, data)
        for name in sorted(spec.modalities)
    }
    heads = heads_of(spec, statistics, recipe)
    with naming("fusion"):
        fusion = build_fusion(recipe.fusion, heads)
    rate = recipe.modality_dropout
    return build_model(spec, towers, fusion, heads, rate), heads


def _tower(
    spec: DataSpec,
    name: str,
    recipe: Recipe,
    statistics: Mapping,
    data: Any,
) -> keras.Model:
    modality, options = spec.modalities[name], recipe.towers[name]
    readers = [key for key, t in spec.targets.items() if name in t.skips_of]
    with naming(f"towers.{name}"):
        if isinstance(options, SavedTower):
            tower = own_tower(options, name, modality.shape, modality.dtype)
        else:
            facts = dict(statistics.get("modalities", {}).get(name, {}))
            facts |= from_data(data, name) if data is not None else {}
            facts |= {"skips": True} if readers else {}
            tower = modality.build(name, facts, options)
        if readers and "skips" not in tower.output:
            raise ValueError(
                f"the tower must return its feature maps, `skips`, which "
                f"the target `{readers[0]}` reads. Received: a tower that "
                f"returns {', '.join(sorted(tower.output))}"
            )
    return tower


def heads_of(
    spec: DataSpec, statistics: Mapping, recipe: Recipe
) -> dict[str, Head]:
    """Returns the heads of a recipe, which know losses and metrics."""
    found = {}
    for name in sorted(spec.targets):
        facts = dict(statistics.get("targets", {}).get(name, {}))
        # A head may read an input itself.
        facts["inputs"] = {
            key: {
                **statistics.get("modalities", {}).get(key, {}),
                "unit": modality.statistics_unit,
            }
            for key, modality in spec.modalities.items()
        }
        with naming(f"heads.{name}"):
            found[name] = spec.targets[name].head(facts, recipe.heads[name])
    return found


@contextlib.contextmanager
def naming(table: str) -> Iterator[None]:
    """Puts the table of the recipe before what is wrong with it."""
    try:
        yield
    except (TypeError, ValueError) as error:
        if str(error).startswith(f"`{table}"):
            raise
        raise ValueError(f"`{table}`: {error}") from error


def smaller(
    recipe: Mapping[str, Any] | Recipe, spec: DataSpec, scale: float
) -> Recipe:
    """Returns the recipe with every width times `scale`.

    Widths are multiples of 8, and at least 8, so that 8-bit kernels have no
    remainder. A preset and a saved model have one width, and are left out; a
    variant of one width becomes the default one of its kind.

    Args:
        recipe: Tables of the recipe, or what `read_recipe` returned.
        spec: The data spec.
        scale: Share of the width, between 0 and 1.

    Example:

    >>> smaller({"fusion": {"units": 64}}, spec, 0.5).fusion.units
    32
    """
    if not 0 < scale < 1:
        raise ValueError(f"`scale` must lie between 0 and 1. Received: {scale}")
    if not isinstance(recipe, Recipe):
        recipe = read_recipe(recipe, spec)
    towers = {
        name: _narrower(modality, recipe.towers[name], scale)
        for name, modality in spec.modalities.items()
    }
    fusion = FUSIONS.narrower(recipe.fusion, scale)
    source = {
        **recipe.source,
        "towers": {name: options.table() for name, options in towers.items()},
        "fusion": fusion.table(),
    }
    return dataclasses.replace(
        recipe, source=source, towers=towers, fusion=fusion
    )


def _narrower(modality: Modality, options: Options, scale: float) -> Options:
    known = modality.tower_options()
    if isinstance(options, SavedTower):
        options = known.read({"units": options.units})
    return known.narrower(options, scale)
