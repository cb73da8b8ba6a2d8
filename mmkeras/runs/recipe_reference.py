"""Every key of a recipe, as `data_specs/recipes/README.md` lists them."""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mmkeras.data import MIX
from mmkeras.fusion import FUSIONS
from mmkeras.introspection import meanings, options_of
from mmkeras.model import SavedTower
from mmkeras.options import Options, Variants
from mmkeras.runs.recipe import ArmOptions, InitOptions, RecipeOptions
from mmkeras.runs.training_tables import TrainingOptions
from mmkeras.spec import MODALITIES, TARGETS, Augmentation
from mmkeras.training import ALIGNMENTS, PRETEXTS, STRATEGIES, Strategy

INTRODUCTION = """# Recipes

A recipe is the TOML of a model and of its training; every key may be left
out. `mmkeras recipe check FILE --spec SPEC` checks one, `mmkeras recipe show
FILE --spec SPEC` prints every key with its value. A key that a variant lacks
is an error.

This page is written by `mmkeras recipe reference`, from the classes that own
the keys.
"""
COLUMNS = ("key", "default", "unit", "for", "meaning")
Row = tuple[str, str, str, str, str]


def reference() -> str:
    """Returns the page: a table of keys for each table of a recipe."""
    parts = [INTRODUCTION]
    for title, rows in _sections():
        parts += [f"## {title}\n", _table(rows)]
    return "\n".join(parts)


def _sections() -> Iterator[tuple[str, list[Row]]]:
    """Yields each heading and its rows."""
    yield "Outside of tables", _rows(RecipeOptions)
    for kind, modality in sorted(MODALITIES.known.items()):
        options = modality.tower_options()
        yield f"`[towers.NAME]`, kind `{kind}`", _rows_of(options)
    yield "`[towers.NAME]`, a saved model", _rows(SavedTower)
    yield "`[fusion]`", _rows_of(FUSIONS)
    for kind, target in sorted(TARGETS.known.items()):
        rows = _rows(target.head_options())
        yield f"`[heads.NAME]`, kind `{kind}`", rows
    for kind, modality in sorted(MODALITIES.known.items()):
        if modality.augmentations:
            title = f"`[augment.NAME]`, kind `{kind}`"
            yield title, _augmentations(modality.augmentations)
    yield "`[augment.together]`", _together()
    yield "`[augment.mix]`, samples in pairs, with labels", _augmentations(MIX)
    yield "`[training]`", _rows(TrainingOptions)
    shared = Strategy.names()
    title = "`[training]`, or `[training.STRATEGY]` for one strategy alone"
    yield title, _rows(Strategy)
    for name, strategy in STRATEGIES.items():
        rows = [row for row in _rows(strategy) if row[0] not in shared]
        yield f"`[training.{name}]`", rows
    title = "`[training.component]`, a table of `pretrain`"
    yield title, _rows_of(PRETEXTS)
    for kind, modality in sorted(MODALITIES.known.items()):
        if unsupervised := modality.pretext():
            title = f"`views` of `contrastive`, kind `{kind}`"
            yield title, _rows_of_layer(unsupervised.views)
    yield "`[training.component]`, the table `align`", _rows_of(ALIGNMENTS)
    yield "`[init.NAME]`", _rows(InitOptions)
    title = "`[compare.NAME]`, beside the settings of its strategy"
    yield title, _rows(ArmOptions)


def _rows_of(options: Any) -> list[Row]:
    """Returns the rows of options, or of variants, equal ones together."""
    if not isinstance(options, Variants):
        return _rows(options)
    names: dict[Row, list[str]] = {}
    for name, part in options.parts.items():
        for row in _rows(part.options):
            if row[0] != options.key:
                names.setdefault(row, []).append(name)
    every = list(options.parts)
    choices = f"One of {', '.join(f'`{name}`' for name in every)}."
    first = (options.key, _shown(options.default), "", "", choices)
    rows = sorted(names, key=lambda row: -len(names[row]))
    return [first] + [
        (*row[:3], "" if found == every else ", ".join(found), row[4])
        for row in rows
        if (found := names[row])
    ]


def _rows(options: type[Options]) -> list[Row]:
    means = meanings(options)
    return [
        (
            field.name,
            _shown(field.default),
            field.metadata.get("unit", ""),
            "",
            means.get(field.name, ""),
        )
        for field in dataclasses.fields(options)
    ]


def _rows_of_layer(layer: type) -> list[Row]:
    """Returns the rows of what a user may say of a layer of views."""
    return _rows(options_of(layer, layer.found_arguments))


def _augmentations(keys: Mapping[str, Augmentation]) -> list[Row]:
    return [
        (
            key,
            _shown(each.default),
            "",
            "",
            f"{each.meaning}{each.bounds}",
        )
        for key, each in keys.items()
    ]


def _together() -> list[Row]:
    """Returns the draws that several modalities can have in common."""
    kinds: dict[str, list[str]] = {}
    for kind, modality in sorted(MODALITIES.known.items()):
        for key, each in modality.augmentations.items():
            if each.shared:
                kinds.setdefault(key, []).append(kind)
    meaning = (
        "names of modalities that draw it once for all of them, such as "
        '`["clip", "sound"]`; each has the same value of the key'
    )
    return [
        (key, "", "", ", ".join(found), meaning)
        for key, found in sorted(kinds.items())
    ]


def _shown(value: Any) -> str:
    """Returns a default as TOML has it; nothing for None."""
    return "" if value is None else f"`{json.dumps(value)}`"


def _table(rows: Iterable[Row]) -> str:
    """Returns rows as Markdown, without columns that are empty."""
    rows = list(rows)
    used = [i for i in range(len(COLUMNS)) if any(row[i] for row in rows)]
    lines = [[COLUMNS[i] for i in used], ["---"] * len(used)]
    lines += [
        [f"`{row[i]}`" if i == 0 else row[i].replace("|", "\\|") for i in used]
        for row in rows
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
