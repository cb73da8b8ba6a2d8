"""Everything of a training but the training: data, model, strategy."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from mmkeras.data import Data, load_data
from mmkeras.runs.building import build_from_recipe
from mmkeras.runs.first_towers import take_towers
from mmkeras.runs.recipe import InitOptions, Recipe, read_recipe, read_rest
from mmkeras.runs.training_tables import read_training
from mmkeras.training import Strategy
from mmkeras.training.stages.datasets import OneModality, one_modality
from mmkeras.training.trainable.precision import precision_scope
from mmkeras.training.trainable.selection import fitting


@dataclass(frozen=True)
class SetUp:
    """What a recipe trains, before it is trained.

    Args:
        recipe: The recipe.
        strategy: The strategy, with the recipe's settings.
        data: What is learned from, in the order of the seed.
        test: The test split of the same.
        model: The model, with the weights of the seed and of `[init]`.
        heads: Its heads by target.
        init: SHA-256 of the runs in `[init]`, by modality.
    """

    recipe: Recipe
    strategy: Strategy
    data: Any
    test: Any
    model: keras.Model
    heads: dict[str, Any]
    init: dict[str, str]


def set_up_run(
    data_folder: str | Path,
    source: Mapping[str, Any],
    strategy: str,
    seed: int,
) -> SetUp:
    """Opens data and sets up the training of a recipe on them.

    Args:
        data_folder: Folder of `prepare`.
        source: Tables of the recipe.
        strategy: Name of the strategy.
        seed: Seed of weights, order and augmentation.
    """
    # A mistyped strategy is told before gigabytes are checked.
    read_training(source.get("training", {})).strategy(strategy)
    # Before the weights are drawn.
    keras.utils.set_random_seed(seed)
    data = load_for(source, data_folder, seed)
    recipe = read_recipe(source, data.spec)
    return set_up(data, recipe, recipe.strategy(strategy), init=recipe.init)


def set_up(
    data: Data,
    recipe: Recipe,
    strategy: Strategy,
    *,
    only: str | None = None,
    init: Mapping[str, InitOptions] | None = None,
) -> SetUp:
    """Builds the model of a recipe for data that are open.

    Random numbers are seeded by whoever calls it.

    Args:
        data: The data.
        recipe: The recipe.
        strategy: How it will be trained.
        only: The one modality that the model has; None for all. Samples that
            lack it do not count in training, and do in the test split: as for
            the fused model, who lacks it has to guess.
        init: Runs that towers begin with.
    """
    spec, seen, test = data.spec, data, data.test
    if only is not None:
        optional = spec.optional
        column = optional.index(only) if only in optional else None
        spec, recipe = spec.only(only), recipe.only(only)
        seen = OneModality(data, only, column, spec.targets)
        test = one_modality(data.test, only, None, spec.targets)
    with precision_scope(strategy.precision):
        model, heads = build_from_recipe(spec, data.statistics, recipe, data)
    taken = take_towers(model, data, init or {})
    if only is not None:
        strategy = fitting(strategy, model)
    return SetUp(recipe, strategy, seen, test, model, heads, taken)


def load_for(
    source: Mapping[str, Any],
    data_folder: str | Path,
    seed: int,
    augment: bool = True,
    dropped: Any = None,
) -> Data:
    """Opens prepared data as a recipe says.

    Args:
        source: Tables of the recipe.
        data_folder: Folder of `prepare`.
        seed: Seed of order and augmentation.
        augment: Whether `train` is augmented as the recipe says.
        dropped: See `read_recipe`.
    """
    training = read_training(source.get("training", {}), dropped)
    return load_data(
        data_folder,
        batch_size=training.batch_size,
        seed=seed,
        augment=augment and read_rest(source, dropped).augment,
    )
