"""data_specs/README.md lists every key of every table, and nothing else."""

import json
import re
import types
import typing
from pathlib import Path

import pytest

from mmkeras import spec as specs
from mmkeras.kinds.image import Ends
from mmkeras.kinds.vector import Quantiles
from mmkeras.kinds.volume import Millimetres3

FOLDER = Path(__file__).parents[2] / "data_specs"
TABLES = {
    "Top level": specs.DataSpec,
    "`[data]`": specs.DataFiles,
    "`[split]`": specs.Split,
    **{
        f'`[modalities.NAME]` with `kind = "{kind}"`': table
        for kind, table in specs.MODALITIES.known.items()
    },
    **{
        f'`[targets.NAME]` with `kind = "{kind}"`': table
        for kind, table in specs.TARGETS.known.items()
    },
}
PLAIN_QUANTILES = typing.get_args(Quantiles)[0]
HEADER = ["key", "type", "unit", "default", "meaning"]
WORDS = {bool: "true or false", int: "integer", float: "number", str: "text"}


def documented() -> dict[str, dict[str, list[str]]]:
    """Returns {heading: {key: cells}} of the part "Every key"."""
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    tables = {}
    for part in text.split("## Every key")[1].split("\n### ")[1:]:
        heading, _, body = part.partition("\n")
        rows = [
            [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            for line in body.splitlines()
            if line.startswith("|")
        ]
        assert rows[0] == HEADER and set(rows[1]) == {"---"}
        keys = [row[0].strip("`") for row in rows[2:]]
        assert len(keys) == len(set(keys)), f"a key twice in {heading}"
        tables[heading] = dict(zip(keys, rows[2:]))
    return tables


def bounds_of(annotation, metadata) -> tuple[object, dict[str, float]]:
    """Returns a field's plain type and its bounds."""
    bounds = {}
    while True:
        for item in metadata:
            for kind in ("gt", "ge", "le", "min_length", "max_length"):
                if getattr(item, kind, None) is not None:
                    bounds.setdefault(kind, getattr(item, kind))
        origin = typing.get_origin(annotation)
        if origin is typing.Annotated:
            annotation, *metadata = typing.get_args(annotation)
            metadata = [
                m for d in metadata for m in getattr(d, "metadata", [d])
            ]
        elif origin in (types.UnionType, typing.Union):
            (annotation,) = set(typing.get_args(annotation)) - {type(None)}
            metadata = []
        else:
            return annotation, bounds


def type_of(field) -> str:
    """Returns what the column "type" must say of a field."""
    if typing.get_origin(field.annotation) in (types.UnionType, typing.Union):
        choices = [
            choice
            for choice in typing.get_args(field.annotation)
            if choice is not type(None)
        ]
        return " or ".join(type_of_plain(choice, []) for choice in choices)
    return type_of_plain(field.annotation, field.metadata)


def items_of(plain) -> list:
    """Returns the plain types of what a list holds."""
    return [bounds_of(item, [])[0] for item in typing.get_args(plain)[:1]]


def type_of_plain(annotation, metadata) -> str:
    plain, bounds = bounds_of(annotation, metadata)
    origin = typing.get_origin(plain)
    if origin is typing.Literal:
        choices = map(json.dumps, typing.get_args(plain))
        return " or ".join(choices).replace("|", r"\|")
    if plain in (specs.DataFiles, specs.Split):
        return "table"
    if plain == Millimetres3:
        return "3 numbers, above 0, at most 1000"
    if plain == PLAIN_QUANTILES:
        return "2 numbers, 0 to 1"
    if plain == Ends:
        return "2 numbers, -1000000000 to 1000000000"
    word = {tuple: "texts", dict: "tables by name"}.get(origin)
    if origin is tuple and float in items_of(plain):
        # The bounds are those of the list, the meaning tells the numbers'.
        word = "numbers"
    if origin is tuple and int in items_of(plain):
        word = "integers"
    of = " characters" if plain is str else ""
    least = bounds.get("ge", bounds.get("min_length"))
    most = bounds.get("le", bounds.get("max_length"))
    parts = [word or WORDS[plain]]
    if least is not None:
        to = f" to {most:.0f}" if most is not None else " or more"
        parts.append(f"{least}{to}{of}")
    else:
        if "gt" in bounds:
            parts.append(f"above {bounds['gt']}")
        if most is not None:
            parts.append(f"at most {most:.0f}{of}")
    return ", ".join(parts)


def default_of(field) -> str:
    """Returns what the column "default" must say of a field."""
    if field.is_required():
        return "required"
    if field.default is None:
        return "none"
    if field.annotation in (specs.DataFiles, specs.Split):
        assert field.default == field.annotation()
        return "`{}`"
    return f"`{json.dumps(field.default)}`".replace("|", r"\|")


def test_every_table_and_no_other_is_documented():
    assert sorted(documented()) == sorted(TABLES)


@pytest.mark.parametrize("heading", TABLES)
def test_keys_types_and_defaults_are_those_of_the_model(heading):
    found = {
        key: (cells[1], cells[3])
        for key, cells in documented()[heading].items()
    }
    assert found == {
        key: (type_of(field), default_of(field))
        for key, field in TABLES[heading].model_fields.items()
    }


@pytest.mark.parametrize("heading", TABLES)
def test_every_key_has_a_meaning_and_a_line_in_the_docstring(heading):
    for key, cells in documented()[heading].items():
        assert len(cells[4]) > 5, key
        assert f"\n    {key}: " in TABLES[heading].__doc__.replace(
            "        ", "    "
        ), key


def test_the_example_is_a_valid_spec(tmp_path):
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    example = re.search(r"```toml\n(.*?)```", text, re.S)[1]
    (tmp_path / "birds.toml").write_text(example)
    spec = specs.load_spec(tmp_path / "birds.toml")
    assert spec.optional == ("song",)
    columns = re.search(r"```\n(photo,.*?)\n", text)[1].split(",")
    parts = (*spec.modalities.values(), *spec.targets.values())
    assert {p.column for p in parts} | {spec.split.group} == set(columns)


def test_the_example_of_signals_is_a_valid_spec(tmp_path):
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    example = re.findall(r"```toml\n(.*?)```", text, re.S)[1]
    (tmp_path / "ward.toml").write_text(example)
    spec = specs.load_spec(tmp_path / "ward.toml")
    shapes = {name: m.shape for name, m in spec.modalities.items()}
    assert shapes == {
        "ecg": (1000, 2),
        "gait": (16, 112, 112, 3),
        "chest": (64, 128, 128, 1),
    }


def test_every_spec_stands_in_the_first_table():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    for path in FOLDER.glob("*.toml"):
        assert f"[{path.name}]({path.name})" in text
