"""Recipes in files: read, checked, and shown with every default."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tomli_w

from mmkeras import artefact
from mmkeras.arguments import check_table
from mmkeras.fusion import FUSIONS
from mmkeras.options import Options
from mmkeras.runs.recipe import (
    read_init,
    read_recipe,
    read_rest,
    read_tower,
)
from mmkeras.runs.training_tables import read_training
from mmkeras.spec import MODALITIES, TARGETS, DataSpec, load_spec, read_toml

DEFAULT = "# default"


@contextlib.contextmanager
def in_file(path: str | Path | None) -> Iterator[None]:
    """Puts the file of a recipe before what is wrong with it."""
    try:
        yield
    except ValueError as error:
        if path is None:
            raise
        raise ValueError(f"{path}: {error}") from error


def spec_of(place: str | Path) -> DataSpec:
    """Returns the spec of a TOML, or of a folder of `prepare`."""
    return spec_of_data(place) if Path(place).is_dir() else load_spec(place)


def spec_of_data(folder: str | Path) -> DataSpec:
    """Returns the spec of a folder of `prepare`."""
    manifest = artefact.read_manifest(folder, "data", check_files=False)
    return DataSpec.from_dict(manifest["spec"])


def open_recipe(path: str | Path | None, data: str | Path) -> dict[str, Any]:
    """Returns the tables of a recipe's file, checked for prepared data.

    Args:
        path: The TOML; None for a recipe of defaults.
        data: Folder of `prepare`.

    Raises:
        ValueError: If a key or a value is wrong; the message names the file.
    """
    if path is None:
        return {}
    source = read_toml(path)
    spec = spec_of_data(data)
    with in_file(path):
        read_recipe(source, spec)
    return source


def check_recipe(
    path: str | Path, place: str | Path | None = None
) -> dict[str, Any]:
    """Returns the tables of a recipe's file, checked.

    Args:
        path: The TOML.
        place: A spec's TOML, or a folder of `prepare`. Without it, a tower
            and a head may be of any kind that has their keys.

    Raises:
        ValueError: If a key or a value is wrong; the message names the file.
    """
    source = read_toml(path)
    spec = None if place is None else spec_of(place)
    with in_file(path):
        if spec is not None:
            read_recipe(source, spec)
        else:
            _check_without_spec(source)
    return source


def _check_without_spec(source: Mapping[str, Any]) -> None:
    read_rest(source)
    FUSIONS.read(source.get("fusion", {}), "fusion")
    read_training(source.get("training", {}))
    read_init(source.get("init", {}))
    towers, heads = source.get("towers", {}), source.get("heads", {})
    check_table("towers", towers)
    check_table("heads", heads)
    for name in towers:
        _check_any(
            lambda kind, name=name: read_tower(kind, towers, name),
            MODALITIES.known,
        )
    for name, table in heads.items():
        _check_any(
            lambda kind, n=name, t=table: kind.head_options().read(
                t, f"heads.{n}"
            ),
            TARGETS.known,
        )


def _check_any(read: Any, kinds: Mapping[str, type]) -> None:
    """Raises the error of the kind that comes nearest, if none has the keys."""
    errors = []
    for kind in kinds.values():
        try:
            read(kind)
            return
        except ValueError as error:
            errors.append(error)
    # A table that another variant has is nearer than one that nobody has.
    raise min(errors, key=lambda e: "is not a known key" in str(e))


def show_recipe(path: str | Path, place: str | Path | None = None) -> str:
    """Returns a recipe as TOML with every key; defaults are marked.

    Args:
        path: The TOML.
        place: A spec's TOML, or a folder of `prepare`. Without it, towers and
            heads are shown as they are written: their kinds are not known.
    """
    source = check_recipe(path, place)
    lines: list[str] = []
    for table, options in _tables(source, place):
        given = _at(source, table)
        lines += ["", f"[{table}]"] if table else []
        if isinstance(options, Options):
            lines += _lines(table, options, given)
        else:
            lines += [tomli_w.dumps(options).strip()]
    return "\n".join(lines).strip() + "\n"


def _tables(
    source: Mapping[str, Any], place: str | Path | None
) -> Iterator[tuple[str, Options | Mapping[str, Any]]]:
    """Yields each table of a recipe and its options, or what is written."""
    yield "", read_rest(source)
    parts = {key: source.get(key, {}) for key in ("towers", "heads")}
    if place is not None:
        recipe = read_recipe(source, spec_of(place))
        parts = {"towers": recipe.towers, "heads": recipe.heads}
    for part, tables in parts.items():
        for name, options in tables.items():
            yield f"{part}.{name}", options
    yield "fusion", FUSIONS.read(source.get("fusion", {}), "fusion")
    for name, options in read_init(source.get("init", {})).items():
        yield f"init.{name}", options
    training = read_training(source.get("training", {}))
    yield "training", training.options
    for name, strategy in training.strategies.items():
        yield f"training.{name}", strategy


def _lines(table: str, options: Options, given: Any) -> list[str]:
    given = given if isinstance(given, Mapping) else {}
    lines, inner = [], []
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        default = field.name not in given and value == field.default
        if isinstance(value, Options):
            name = f"{table}.{field.name}"
            own = given.get(field.name)
            inner += ["", f"[{name}]", *_lines(name, value, own)]
        elif value is None:
            lines.append(f"# {field.name} is not set")
        elif isinstance(value, Mapping):
            inner += ["", _sub_table(f"{table}.{field.name}", value)]
        else:
            plain = list(value) if isinstance(value, tuple) else value
            text = tomli_w.dumps({field.name: plain}).strip()
            lines.append(f"{text}  {DEFAULT}" if default else text)
    return [*lines, *inner]


def _sub_table(path: str, values: Mapping[str, Any]) -> str:
    """Returns a table inside others as TOML."""
    found: Any = values
    for key in reversed(path.strip(".").split(".")):
        found = {key: found}
    return tomli_w.dumps(found).strip()


def _at(source: Mapping[str, Any], table: str) -> Any:
    found: Any = source
    for key in table.split(".") if table else []:
        found = found.get(key, {}) if isinstance(found, Mapping) else {}
    return found
