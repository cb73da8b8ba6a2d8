"""JSON that proves itself: bounded, unambiguous, with a hash of its own.

`export/run.py` holds the same rules for a device, without this package; a test
compares the two.
"""

import hashlib
import importlib.metadata
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmkeras.artefact.files import write_text

# Of what this version writes; a reader refuses a later one.
FORMAT = 1
MAX_JSON_BYTES = 2**26
MAX_DEPTH = 64
# A string, or the rest of a file that ends in one.
_STRING = re.compile(rb'"[^"\\]*(?:\\.?[^"\\]*)*(?:"|\Z)', re.DOTALL)
_OTHER = bytes(set(range(256)) - set(b"[]{}"))
_ALIKE = bytes.maketrans(b"{}", b"[]")
# Another way to write a character, which would escape a comparison of values.
_CAPITAL = re.compile(rb"(?<!\\)(?:\\\\)*\\u[0-9a-f]{0,3}[A-F]")


def read_json(path: str | Path) -> Any:
    """Returns the value of a JSON file of ours.

    Raises:
        ValueError: If it is too large, nested too deeply, no JSON, or holds
            a key twice; the message names the file.
        OSError: If it cannot be read.
    """
    path = Path(path)
    size = path.stat().st_size
    if size > MAX_JSON_BYTES:
        raise ValueError(
            f"`{path}` must have at most {MAX_JSON_BYTES:,} bytes. Received: "
            f"{size:,} bytes"
        )
    with open(path, "rb") as file:
        # It may grow, or be a device that never ends.
        data = file.read(MAX_JSON_BYTES + 1)
    return parse_json(data, f"`{path}`")


def parse_json(data: bytes, what: str) -> Any:
    """Returns a JSON value.

    Args:
        data: The JSON, UTF-8.
        what: Where it is from, for the message.

    Raises:
        ValueError: As `read_json`.
    """
    if len(data) > MAX_JSON_BYTES or _is_deep(data):
        raise ValueError(
            f"{what} must be JSON of at most {MAX_JSON_BYTES:,} bytes and "
            f"{MAX_DEPTH} levels. Received: more"
        )
    try:
        if b"\\u" in data and _CAPITAL.search(data):
            raise ValueError("an escape in capitals")
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_float=_float,
            parse_constant=_constant,
        )
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{what} must be JSON as mmkeras writes it. Received: a file that "
            f"is not ({type(error).__name__}: {error})"
        ) from None


def _is_deep(data: bytes) -> bool:
    """Whether brackets are nested too deeply; those in strings are none."""
    if len(data) < 2**20:
        # Much faster, and a list that is short enough.
        plain = data.replace(b"\\\\", b"").replace(b'\\"', b"")
        outside = b"".join(plain.split(b'"')[::2])
    else:
        outside = _STRING.sub(b"", data)
    left = outside.translate(_ALIKE, _OTHER)
    for _ in range(MAX_DEPTH):
        if b"[" * (MAX_DEPTH + 1) in left:
            return True
        before, left = len(left), left.replace(b"[]", b"")
        if len(left) == before:
            break
    # What a cut file leaves open is told by the parser.
    return b"[]" in left or len(left) > MAX_DEPTH


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} twice")
    return found


def _float(text: str) -> float:
    value = float(text)
    if repr(value) != text:
        raise ValueError(f"{text[:40]} for {value}")
    return value


def _constant(text: str) -> float:
    raise ValueError(f"{text}, which is no number")


def hash_of(value: dict[str, Any]) -> str:
    """Returns the SHA-256 of a table without its field `sha256`.

    It is that of the UTF-8 of its JSON with sorted keys, no spaces, and
    escapes for all but ASCII.
    """
    text = json.dumps(
        {key: entry for key, entry in value.items() if key != "sha256"},
        sort_keys=True,
        separators=(",", ":"),
        allow_nan=False,
    )
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def hashed(value: dict[str, Any]) -> dict[str, Any]:
    """Returns a table with `format` and `sha256`, its own hash, in front."""
    if ("format" in value) != ("sha256" in value):
        raise ValueError(
            "A table that is hashed has `format` and `sha256` of its own. "
            "Received: one of them among its fields"
        )
    fields = {k: v for k, v in value.items() if k not in ("format", "sha256")}
    found = {"format": FORMAT, **fields}
    return {"format": FORMAT, "sha256": hash_of(found), **fields}


def is_proven(value: Any, what: str) -> bool:
    """Compares a table with its hash.

    Args:
        value: What `parse_json` returned.
        what: Where it is from, for the message.

    Returns:
        False for a table with neither format nor hash: an earlier version
        wrote none.

    Raises:
        ValueError: If it is no table, of a later format, or not what was
            written.
    """
    if not isinstance(value, dict):
        raise ValueError(
            f"{what} must hold a table. Received: {type(value).__name__}"
        )
    if "format" not in value and "sha256" not in value:
        return False
    number, digest = value.get("format"), value.get("sha256")
    if type(number) is not int or number < 1:
        raise ValueError(
            f"{what} must have a `format` from 1 to {FORMAT}. Received: "
            f"{number!r}"
        )
    if number > FORMAT:
        raise ValueError(
            f"{what} must be of format {FORMAT} at most, which "
            f"{_version()} reads. Received: format {number}, of "
            f"{_writer(value)}; install that version or a later one"
        )
    found = hash_of(value)
    if digest != found:
        raise ValueError(
            f"{what} is not what was written: its own `sha256` is "
            f"{str(digest)[:16]!r}. Received: {found[:16]!r}; it was damaged "
            "or edited"
        )
    return True


def _version() -> str:
    try:
        return f"mmkeras {importlib.metadata.version('mmkeras')}"
    except importlib.metadata.PackageNotFoundError:
        return "this mmkeras"


def _writer(value: dict[str, Any]) -> str:
    versions = value.get("versions")
    found = versions.get("mmkeras") if isinstance(versions, dict) else None
    return f"mmkeras {str(found)[:40]!r}" if found else "a later mmkeras"


def write_hashed(
    path: str | Path,
    value: dict[str, Any],
    check: Callable[[dict, str], None] | None = None,
) -> dict[str, Any]:
    """Writes a table with its hash, atomically; returns what a reader gets.

    Args:
        path: The file.
        value: The table.
        check: Raises ValueError for what a reader would refuse.

    Raises:
        ValueError: If it could not be read again.
    """
    what = f"What is written to `{path}`"
    # As it reads back: keys are texts, tuples are lists.
    plain = parse_json(json.dumps(value, allow_nan=False).encode(), what)
    if check is not None:
        check(plain, what)
    found = hashed(plain)
    text = json.dumps(found, indent=2) + "\n"
    parse_json(text.encode(), what)
    write_text(path, text)
    return found


def read_hashed(path: str | Path) -> dict[str, Any]:
    """Returns the table that `write_hashed` wrote.

    Raises:
        ValueError: If it is not that, or has no hash; the file is named.
        OSError: If it cannot be read.
    """
    value = read_json(path)
    if not is_proven(value, f"`{path}`"):
        raise ValueError(
            f"`{path}` must have a hash of its own. Received: none, as an "
            "earlier mmkeras wrote it"
        )
    return value
