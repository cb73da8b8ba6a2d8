"""A recipe, the TOML of a model, turned into a model."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import keras

from mmkeras import fusion, heads
from mmkeras.arguments import check_keys
from mmkeras.model.build import build_model
from mmkeras.model.recipe_data import from_data
from mmkeras.model.saved_tower import SavedTower, own_tower
from mmkeras.options import Options
from mmkeras.spec import DataSpec, Modality

RECIPE_KEYS = (
    "towers",
    "fusion",
    "heads",
    "modality_dropout",
    "training",
    "augment",
    # Read by those who train: towers of other runs, arms of a comparison.
    "init",
    "compare",
)


def build_from_recipe(
    spec: DataSpec, statistics: Mapping, recipe: Mapping, data: Any = None
) -> tuple[keras.Model, dict[str, heads.Head]]:
    """Builds the model that a recipe describes.

    Args:
        spec: The data spec.
        statistics: Statistics of the training split, as `prepare` writes
            them.
        recipe: Tables `towers` (arguments of each tower by modality),
            `fusion` (`method` and its arguments), `heads` (arguments by
            target) and the number `modality_dropout`; all may be left out.
        data: What `load_data` returns, for a recipe with `word_vectors`,
            which need the tokenizer, or with a `projection`, which is fitted
            on the training split.

    Returns:
        The model, and its heads by target.
    """
    recipe = {"towers": {}, "fusion": {}, "heads": {}, **recipe}
    check_keys("recipe", recipe, RECIPE_KEYS)
    check_keys("towers", recipe["towers"], list(spec.modalities))
    check_keys("heads", recipe["heads"], list(spec.targets))
    built = {
        name: _make_tower(
            spec, statistics, name, recipe["towers"].get(name, {}), data
        )
        for name in sorted(spec.modalities)
    }
    made = {
        name: _make_head(spec, statistics, name, recipe["heads"].get(name, {}))
        for name in sorted(spec.targets)
    }
    joined = _make_fusion(recipe["fusion"], made)
    rate = recipe.get("modality_dropout", 0.1 if spec.optional else 0.0)
    return build_model(spec, built, joined, made, rate), made


def _make_tower(
    spec: DataSpec,
    statistics: Mapping,
    name: str,
    arguments: Mapping,
    data: Any = None,
) -> keras.Model:
    modality = spec.modalities[name]
    where = f"towers.{name}"
    options = tower_options(modality, arguments, where)
    with naming(where):
        if isinstance(options, SavedTower):
            return own_tower(options, name, modality.shape, modality.dtype)
        facts = dict(statistics.get("modalities", {}).get(name, {}))
        facts |= from_data(data, name) if data is not None else {}
        return modality.build(name, facts, options)


def tower_options(modality: Modality, arguments: Any, where: str) -> Options:
    """Returns the options of a tower from its table of a recipe."""
    if not isinstance(arguments, Mapping):
        raise ValueError(f"`{where}` must be a table. Received: {arguments!r}")
    own = "model" in arguments
    kind = SavedTower if own else modality.tower_options()
    return kind.read(arguments, where)


def _make_head(
    spec: DataSpec, statistics: Mapping, name: str, arguments: Mapping
) -> heads.Head:
    target = spec.targets[name]
    where = f"heads.{name}"
    facts = statistics.get("targets", {}).get(name, {})
    options = target.head_options().read(arguments, where)
    with naming(where):
        return target.head(facts, options)


def _make_fusion(arguments: Mapping, made: Mapping[str, heads.Head]) -> Any:
    options = fusion.FUSIONS.read(arguments, "fusion")
    with naming("fusion"):
        return fusion.build_fusion(options, made)


@contextlib.contextmanager
def naming(table: str) -> Iterator[None]:
    """Puts the table of the recipe before what is wrong with it."""
    try:
        yield
    except (TypeError, ValueError) as error:
        if str(error).startswith(f"`{table}"):
            raise
        raise ValueError(f"`{table}`: {error}") from error
