"""What a recipe trains, before it is trained: data, model, strategy."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from mmkeras import artefact
from mmkeras.data import Data, load_data
from mmkeras.model import (
    RECIPE_KEYS,
    build_from_recipe,
    check_keys,
    load_model,
)
from mmkeras.spec import DataSpec
from mmkeras.training import STRATEGIES, make_strategy
from mmkeras.training.stages.datasets import OneModality, one_modality
from mmkeras.training.stages.resume import differences
from mmkeras.training.trainable.precision import precision_scope
from mmkeras.training.trainable.single_towers import modalities
from mmkeras.training.trainable.transfer import take_tower


@dataclass
class Begun:
    """What a recipe trains, before it is trained.

    Args:
        strategy: The strategy, with the recipe's settings.
        data: The data, in the order of the seed.
        model: The model, with the weights of the seed and of `[init]`.
        heads: Its heads by target.
        init: SHA-256 of the runs in `[init]`, by modality.
    """

    strategy: Any
    data: Any
    model: keras.Model
    heads: dict[str, Any]
    init: dict[str, str]


def begin(
    data_folder: str | Path, recipe: dict, strategy: str, seed: int
) -> Begun:
    """Returns everything of a training but the training.

    Args:
        data_folder: Folder of `prepare`.
        recipe: Tables of the recipe.
        strategy: Name of the strategy.
        seed: Seed of weights, order and augmentation.
    """
    settings = split_settings(recipe)
    chosen = make_strategy(strategy, settings["strategies"].get(strategy, {}))
    # Before the weights are drawn.
    keras.utils.set_random_seed(seed)
    data = load_for(recipe, data_folder, seed)
    with precision_scope(chosen.precision):
        model, heads = build_from_recipe(
            data.spec, data.statistics, recipe, data
        )
    init = take_towers(model, data, recipe.get("init", {}))
    return Begun(chosen, data, model, heads, init)


def load_for(
    recipe: Mapping, data_folder: str | Path, seed: int, augment: bool = True
) -> Data:
    """Opens prepared data as a recipe says.

    Args:
        recipe: Tables of the recipe.
        data_folder: Folder of `prepare`.
        seed: Seed of order and augmentation.
        augment: Whether `train` is augmented as the recipe says.
    """
    return load_data(
        data_folder,
        batch_size=split_settings(recipe)["batch_size"],
        seed=seed,
        augment=augment and recipe.get("augment", True),
    )


def alone(data: Data, recipe: Mapping, name: str) -> tuple:
    """Returns what one modality needs to be trained by itself.

    Returns:
        Spec and recipe of that modality; data of which samples that lack it
        do not count; and the test split, in which they do: as for the fused
        model, who lacks it has to guess.
    """
    optional = data.spec.optional
    column = optional.index(name) if name in optional else None
    towers = recipe.get("towers", {})
    towers = {key: table for key, table in towers.items() if key == name}
    return (
        data.spec.only(name),
        {**recipe, "towers": towers},
        OneModality(data, name, column),
        one_modality(data.test, name, None),
    )


def take_towers(model: keras.Model, data: Data, init: Any) -> dict[str, str]:
    """Gives towers the weights that other runs, or stages of them, have.

    Args:
        model: The model to be trained.
        data: Its data.
        init: Folder of a run by modality, a recipe's table `[init]`; where
            the modality has another name there, `{run = "...", name = "..."}`.

    Returns:
        SHA-256 of the manifest of each run, by modality.
    """
    found = {}
    check_keys("init", init, init if isinstance(init, Mapping) else ())
    for name, entry in init.items():
        given = entry if isinstance(entry, dict) else {"run": entry}
        check_keys(f"init.{name}", given, ("run", "name"))
        run = isinstance(given.get("run"), str | Path)
        if name not in modalities(model) or not run:
            raise ValueError(
                f"`init.{name}` must give one of the modalities "
                f"{', '.join(modalities(model))} a run. Received: {entry!r}"
            )
        folder = Path(given["run"])
        manifest = artefact.read_manifest(folder, "run")
        source = given.get("name", name)
        check_same_kind(data.spec, name, manifest, source)
        check_same_words(data, name, manifest, source)
        take_tower(model, name, load_model(folder), given.get("name"))
        found[name] = artefact.sha256_of(folder / artefact.MANIFEST)
    return found


def check_same_kind(
    spec: DataSpec, name: str, manifest: dict, source_name: str
) -> None:
    """Raises ValueError if a tower would read what it never learned to.

    Shapes of weights do not tell a sample rate, or a window, from another.
    """
    other = manifest.get("spec", {}).get("modalities", {}).get(source_name)
    if other is None:
        return
    there, here = spec.modalities[name].same_input(other)
    lines = differences(there, here, f"modalities.{name}")
    if lines:
        raise ValueError(
            f"`init.{name}` must name a run on the same kind of data. "
            f"Received, there -> here: {'; '.join(lines)}"
        )


def check_same_words(
    data: Data, name: str, manifest: dict, source_name: str
) -> None:
    """Raises ValueError if a token or category means something else there.

    Each data set trains a tokenizer of its own, and numbers its categories.
    """
    there = manifest.get("vocabularies", {}).get(source_name)
    here = data.vocabularies.get(name)
    if there and here and there != here:
        raise ValueError(
            f"`init.{name}` must name a run whose tokens or categories have "
            "the same numbers. Received, sha256 of the tokenizer or the "
            f"categories, there -> here: {there[:16]} -> {here[:16]}. Share "
            'one: `tokenizer = "bert"` or "roberta" with its `vocabulary`, '
            "or both sets prepared as one"
        )


def split_settings(recipe: Mapping) -> dict:
    """Returns batch size, and the settings of each strategy of a recipe.

    `[training]` holds what all strategies share, `[training.full]`,
    `[training.component]` and so on what is theirs alone.
    """
    check_keys("recipe", recipe, RECIPE_KEYS)
    for name, table in {
        "training": recipe.get("training", {}),
        **{
            f"training.{name}": recipe["training"].get(name, {})
            for name in STRATEGIES
            if isinstance(recipe.get("training"), Mapping)
        },
    }.items():
        if not isinstance(table, Mapping):
            raise ValueError(f"`{name}` must be a table. Received: {table!r}")
    shared = dict(recipe.get("training", {}))
    batch_size = shared.pop("batch_size", 32)
    if type(batch_size) is not int or batch_size < 1:
        raise ValueError(
            "`training.batch_size` must be a positive integer. "
            f"Received: {batch_size!r}"
        )
    own = {name: shared.pop(name, {}) for name in STRATEGIES}
    return {
        "batch_size": batch_size,
        "strategies": {name: {**shared, **own[name]} for name in own},
    }
