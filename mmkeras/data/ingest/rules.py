"""Which rules a shard was made by: code, and what it learned.

A `prepare` that goes on after an update of mmkeras, or of a kind of one's own,
makes its shards anew instead of mixing the samples of two rules.
"""

import functools
import hashlib
import inspect
import json
import secrets
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from mmkeras.data.ingest.stamps import parts_read
from mmkeras.spec import DataSpec, Kind, Learned, Modality, Target

PACKAGE = Path(__file__).parents[2]
# All that may decide what a sample becomes: whole rooms, so that no new file
# is forgotten.
ROOMS = ("data", "kinds", "spec")


def rules_of(spec: DataSpec, learned: Mapping[str, Learned]) -> str:
    """Returns a hash of what shards follow from beside spec, seed, and rows."""
    digest = hashlib.sha256(_own_rules().encode())
    for name, part in sorted(parts_read(spec).items()):
        digest.update(_rules_of_kind(type(part)).encode())
        one = learned.get(name, Learned())
        digest.update(json.dumps([one.facts, one.file]).encode())
    return digest.hexdigest()


@functools.cache
def _own_rules() -> str:
    paths = [p for room in ROOMS for p in (PACKAGE / room).rglob("*.py")]
    return _hash(sorted(paths))


@functools.cache
def _rules_of_kind(kind: type[Kind]) -> str:
    """Returns a hash of the code of a kind that is none of mmkeras' own."""
    digest = hashlib.sha256()
    base = Modality if issubclass(kind, Modality) else Target
    for owner in kind.__mro__[: kind.__mro__.index(base)]:
        paths = list(_files_of(owner))
        if paths:
            digest.update(_hash(paths).encode())
        else:
            digest.update(_source_of(owner))
    return digest.hexdigest()


def _files_of(owner: type) -> Iterator[Path]:
    """Yields the file of a class, and those beside it in its folder."""
    file = getattr(sys.modules.get(owner.__module__), "__file__", None)
    if file is None:
        return
    path = Path(file)
    yield from (
        sorted(path.parent.rglob("*.py"))
        if (path.name == "__init__.py")
        else [path]
    )


def _source_of(owner: type) -> bytes:
    """Returns the code of a class without a file, as in a notebook."""
    try:
        return inspect.getsource(owner).encode()
    except (OSError, TypeError):
        # Nobody can tell, so it is never taken for the same.
        return secrets.token_bytes(16)


def _hash(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
