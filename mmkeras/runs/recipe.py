"""A recipe: the tables of a TOML, read once into what each part takes."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmkeras.arguments import check_keys, check_table
from mmkeras.fusion import FUSIONS
from mmkeras.model import SavedTower
from mmkeras.options import Dropped, Options, option
from mmkeras.runs.training_tables import Training, read_training
from mmkeras.spec import DataSpec, Modality
from mmkeras.training import STRATEGIES, Strategy
from mmkeras.values import BELOW_ONE, PATH, TEXT, one_of, or_none

# Rate of `modality_dropout` where modalities are optional and nothing is said.
MODALITY_DROPOUT = 0.1


@dataclass(frozen=True, kw_only=True)
class RecipeOptions(Options):
    """Keys of a recipe that stand in no table.

    Args:
        modality_dropout: Probability that an optional modality is dropped
            from a training sample. Defaults to 0.1 where there is one.
        augment: Whether training batches are augmented by the defaults of
            each kind; tables `[augment.NAME]` augment those modalities alone,
            `[augment.together]` lets several share a draw, `[augment.mix]`
            mixes samples in pairs.
    """

    modality_dropout: float | None = option(
        None,
        or_none(BELOW_ONE),
    )
    augment: Any = option(
        True,
        (
            "true, false or a table by modality",
            lambda v: isinstance(v, bool | Mapping),
        ),
    )


@dataclass(frozen=True, kw_only=True)
class InitOptions(Options):
    """A tower that begins with the weights it has in another run.

    Args:
        run: Folder of the run, or of a stage of one. `NAME = "FOLDER"` is
            short for it.
        name: Name of the modality there, where it has another.
    """

    run: Any = option(None, ("given: the folder of a run", PATH[1]))
    name: str | None = option(None, or_none(TEXT))


@dataclass(frozen=True, kw_only=True)
class ArmOptions(Options):
    """An arm of `mmkeras compare`.

    Args:
        strategy: Strategy of the arm; may be left out where the arm is called
            like one.
        init: Runs that towers begin with, in place of those of `[init]`.
    """

    strategy: str | None = option(None, or_none(one_of(*STRATEGIES)))
    init: Mapping[str, Any] | None = option(
        None, or_none(("a table", lambda v: isinstance(v, Mapping)))
    )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a recipe says, with every default in its place.

    Args:
        source: The tables as the user wrote them; what manifests and
            fingerprints keep.
        towers: Options of each tower, by modality.
        fusion: Options of the fusion.
        heads: Options of each head, by target.
        modality_dropout: Probability that an optional modality is dropped.
        augment: As in `load_data`.
        training: Batch size, and each strategy with its settings.
        init: Runs that towers begin with, by modality.
    """

    source: Mapping[str, Any]
    towers: Mapping[str, Options]
    fusion: Options
    heads: Mapping[str, Options]
    modality_dropout: float
    augment: bool | Mapping[str, Any]
    training: Training
    init: Mapping[str, InitOptions]

    def strategy(self, name: str) -> Strategy:
        """Returns a strategy with the settings of this recipe."""
        return self.training.strategy(name)

    def only(self, name: str) -> "Recipe":
        """Returns the recipe of one modality alone."""
        towers = {name: self.towers[name]}
        return dataclasses.replace(self, towers=towers, modality_dropout=0.0)


TABLES = ("towers", "fusion", "heads", "training", "init", "compare")


def read_recipe(
    source: Mapping[str, Any], spec: DataSpec, dropped: Dropped | None = None
) -> Recipe:
    """Reads a recipe for data of a spec.

    Args:
        source: Its tables; an empty one takes every default.
        spec: The data spec.
        dropped: Takes the keys that are not used; None makes an error of
            them.

    Raises:
        ValueError: If a key or a value is wrong; the message says which.

    Example:

    >>> recipe = read_recipe({"towers": {"image": {"units": 32}}}, spec)
    >>> recipe.towers["image"].units, recipe.fusion.method
    (32, 'gated')
    """
    tables = {name: source.get(name, {}) for name in TABLES}
    given = read_rest(source, dropped)
    named = {"towers": spec.modalities, "heads": spec.targets}
    for name, known in named.items():
        check_keys(name, tables[name], known)
    rate = given.modality_dropout
    if rate is None:
        rate = MODALITY_DROPOUT if spec.optional else 0.0
    return Recipe(
        source=source,
        towers={
            name: read_tower(modality, tables["towers"], name, dropped)
            for name, modality in spec.modalities.items()
        },
        fusion=FUSIONS.read(tables["fusion"], "fusion", dropped),
        heads={
            name: target.head_options().read(
                tables["heads"].get(name, {}), f"heads.{name}", dropped
            )
            for name, target in spec.targets.items()
        },
        modality_dropout=rate,
        augment=given.augment,
        training=read_training(tables["training"], dropped),
        init=read_init(tables["init"]),
    )


def read_rest(
    source: Mapping[str, Any], dropped: Dropped | None = None
) -> RecipeOptions:
    """Returns what a recipe says outside of its tables."""
    if dropped is None or not dropped.unknown:
        check_keys("", source, [*RecipeOptions.names(), *TABLES])
    rest = {key: v for key, v in source.items() if key not in TABLES}
    return RecipeOptions.read(rest, "", dropped)


def read_tower(
    modality: Modality,
    towers: Mapping[str, Any],
    name: str,
    dropped: Dropped | None = None,
) -> Options:
    """Returns the options of a tower from its table, `towers.NAME`."""
    given, where = towers.get(name, {}), f"towers.{name}"
    check_table(where, given)
    saved = "model" in given
    kind = SavedTower if saved else modality.tower_options()
    return kind.read(given, where, dropped)


def read_init(init: Any, where: str = "init") -> dict[str, InitOptions]:
    """Returns the runs that towers begin with, from the table `[init]`."""
    check_table(where, init)
    found = {}
    for name, entry in init.items():
        given = entry if isinstance(entry, Mapping) else {"run": entry}
        found[name] = InitOptions.read(given, f"{where}.{name}")
    return found
