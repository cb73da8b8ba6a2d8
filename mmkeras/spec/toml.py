"""Reading TOML, and saying plainly what is wrong with it."""

import difflib
import tomllib
from pathlib import Path
from typing import Any

import pydantic

from mmkeras.spec.modalities import MODALITIES
from mmkeras.spec.tables import DataFiles, Split
from mmkeras.spec.targets import TARGETS

MAX_BYTES = 1_000_000
TOP_KEYS = ("name", "description", "data", "split", "modalities", "targets")


def read_toml(path: str | Path) -> dict[str, Any]:
    """Reads a TOML file of at most 1 MB; errors name the file."""
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
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(
            f"`{path}` must be valid TOML. Received: {error}"
        ) from None
    except RecursionError:
        raise ValueError(
            f"`{path}` must be valid TOML. Received: tables or lists nested "
            "too deeply"
        ) from None


def nearest(word: str, choices: list[str]) -> str:
    """Returns " Did you mean `x`?" and the choices, for an error message."""
    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.5)
    hint = f" Did you mean `{close[0]}`?" if close else ""
    return f"{hint} Choices: {', '.join(sorted(choices))}"


def explain(error: pydantic.ValidationError, source: str) -> str:
    """Turns pydantic's findings into one line each: file, key, value, help."""
    lines = []
    for item in error.errors(include_url=False)[:10]:
        # The discriminator adds its tag to the path; a user never wrote it.
        location = [str(part) for part in item["loc"]]
        if len(location) > 2 and location[0] in ("modalities", "targets"):
            location.pop(2)
        key = ".".join(location) or "the spec"
        received = repr(item.get("input"))[:80]
        if item["type"] == "extra_forbidden":
            choices = _keys_at(item["loc"])
            lines.append(
                f"{source}: `{key}` is not a known key."
                + nearest(location[-1], choices)
            )
        elif item["type"] == "missing":
            lines.append(f"{source}: `{key}` must be given.")
        elif item["type"] == "value_error":
            message = item["msg"].removeprefix("Value error, ")
            lines.append(f"{source}: in `{key}`: {message}")
        else:
            message = item["msg"][0].lower() + item["msg"][1:]
            lines.append(f"{source}: `{key}`: {message}. Received: {received}")
    return "\n".join(lines)


def _keys_at(location: tuple) -> list[str]:
    """Returns the keys allowed in the table of a wrong key."""
    tables = {"data": DataFiles, "split": Split}
    kinds = {"modalities": MODALITIES, "targets": TARGETS}
    if len(location) == 2 and location[0] in tables:
        return list(tables[location[0]].model_fields)
    if len(location) == 4 and location[0] in kinds:
        return list(kinds[location[0]][location[2]].model_fields)
    return list(TOP_KEYS)
