"""Reading TOML, and saying plainly what is wrong with it."""

import re
import reprlib
import tomllib
from pathlib import Path
from typing import Any

import pydantic

from mmkeras.arguments import nearest
from mmkeras.escaping import printable
from mmkeras.spec.registry import MODALITIES, TARGETS
from mmkeras.spec.tables import DataFiles, Split

MAX_BYTES = 256_000
# tomllib takes minutes for a key of a hundred thousand parts. So many dots a
# line are accepted, and so much is the sum of their squares.
MAX_DOTS, MAX_WORK = 40, 200_000
QUOTED = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'")
KINDS = {"modalities": MODALITIES, "targets": TARGETS}
# What TOML calls pydantic's words.
WORDS = {
    "dictionary or object to extract fields from": "table",
    "dictionary": "table",
    "tuple": "array",
    " after validation": "",
}
TOP_KEYS = ("name", "description", "data", "split", "modalities", "targets")


def read_toml(path: str | Path) -> dict[str, Any]:
    """Reads a TOML file of at most 256 kB; errors name the file."""
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"`{path}` must be a TOML file. Received: no file")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(
            f"`{path}` must have at most {MAX_BYTES:,} bytes. "
            f"Received: {size:,} bytes"
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
        dots = [line.count(".") for line in QUOTED.sub("", text).split("\n")]
        if max(dots) > MAX_DOTS or sum(d * d for d in dots) > MAX_WORK:
            raise RecursionError
        return tomllib.loads(text)
    except RecursionError:
        found = "tables or lists nested too deeply"
    except tomllib.TOMLDecodeError as error:
        found = f"{error}{_line_of(text, str(error))}"
    # A number of thousands of digits is a plain ValueError.
    except ValueError as error:
        found = str(error)
    raise ValueError(f"`{path}` must be valid TOML. Received: {found[:400]}")


def _line_of(text: str, message: str) -> str:
    """Returns the line a TOML error speaks of, since that holds the key."""
    found = re.search(r"at line (\d+)", message)
    if not found:
        return ""
    line = text.split("\n")[int(found[1]) - 1].strip()
    return f": {line[:80]!r}"


def explain(
    error: pydantic.ValidationError, source: str, values: object
) -> str:
    """Turns pydantic's findings into one line each: file, key, value, help.

    Args:
        error: What pydantic found.
        source: The file, or what else the values come from.
        values: What was read, whose tables tell their kinds.
    """
    lines = [
        f"{source}: {_explain_one(item, values)}"[:1000]
        for item in error.errors(include_url=False)[:10]
    ]
    return "\n".join(lines)


def _explain_one(item: dict, values: object) -> str:
    location = [printable(str(part)[:60]) for part in item["loc"]]
    key = ".".join(location) or "the spec"
    message = item["msg"][0].lower() + item["msg"][1:]
    for word, plain in WORDS.items():
        message = message.replace(word, plain)
    if item["type"] == "extra_forbidden":
        choices = _keys_at(item["loc"], values)
        return f"`{key}` is not a known key." + nearest(location[-1], choices)
    if item["type"] == "unknown_kind":
        kinds = KINDS[location[0]].known
        found = item["input"].get("kind")
        return (
            f"`{key}.kind` must be one of {', '.join(kinds)}, or what a "
            "module of your own registers (`--import MODULE`). Received: "
            f"{reprlib.repr(found)}"
        )
    if item["type"] == "missing":
        return f"`{key}` must be given."
    if item["type"] == "value_error":
        message = item["msg"].removeprefix("Value error, ")
        return f"in `{key}`: {message}"
    return f"`{key}`: {message}. Received: {_received(item['input'])}"


def _received(value: object) -> str:
    # reprlib stops early: a value may be deep, long or a number without end.
    try:
        return reprlib.repr(value)
    except ValueError:
        return "a number with thousands of digits"


def _keys_at(location: tuple, values: object) -> list[str]:
    """Returns the keys allowed in the table of a wrong key."""
    tables = {"data": DataFiles, "split": Split}
    if len(location) == 2 and location[0] in tables:
        return list(tables[location[0]].model_fields)
    if len(location) == 3 and location[0] in KINDS:
        kind = values[location[0]][location[1]]["kind"]
        return list(KINDS[location[0]].known[kind].model_fields)
    return list(TOP_KEYS)
