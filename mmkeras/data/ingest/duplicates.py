"""Samples that are the same in every modality, and what becomes of them."""

import hashlib
from collections.abc import Mapping

import numpy as np

from mmkeras.data.files.reasons import BadSample, Reason
from mmkeras.data.files.source import SampleIO
from mmkeras.data.ingest.plan import Plan
from mmkeras.data.ingest.stamps import cells_of
from mmkeras.data.ingest.table import DIGEST
from mmkeras.spec import DataSpec

MAX_FILES = 10_000
# Files that are remembered, where several samples name one.
MAX_KNOWN = 10_000
UNLIKE = b""


def settle_duplicates(spec: DataSpec, io: SampleIO, plan: Plan) -> None:
    """Leaves duplicates out, or keeps them together, as the spec says.

    Two samples are the same if their files hold the same bytes, whatever
    they are called, and their other cells the same text. A sample of which a
    file cannot be read is like no other.

    Args:
        spec: The spec; `data.duplicates` decides.
        io: Reads the files.
        plan: Samples left out are noted in `bad`; those that go together have
            one number in `together`.
    """
    rule = spec.data.duplicates
    if rule == "keep":
        return
    keys = _keys(spec, io, plan)
    several = _equal(keys)
    copies = sum(map(len, several)) - len(several)
    if rule == "group":
        plan.together = np.arange(len(plan.table), dtype=np.int32)
        for part in several:
            plan.together[part] = part[0]
        done = "stay in one split"
    else:
        firsts = plan.table["sample/id"].take(
            np.array([part[0] for part in several], int)
        )
        for name, part in zip(firsts, several, strict=True):
            gone = part[1:] if rule == "first" else part
            fault = str(Reason.DUPLICATE), f"the same as {name!r}"
            plan.bad += [(row, "sample", *fault) for row in gone.tolist()]
        done = "are left out" + (", with their first" * (rule == "drop"))
    if several:
        plan.said.append(
            f"`data.duplicates`: {copies:,} copies of {len(several):,} samples "
            f"{done}"
        )


def _equal(keys: np.ndarray) -> list[np.ndarray]:
    """Returns the rows of each key that several have, in order."""
    rows = np.flatnonzero(keys != UNLIKE)
    rows = rows[np.argsort(keys[rows], kind="stable")]
    same = np.zeros(len(rows) + 1, bool)
    same[1:-1] = keys[rows[1:]] == keys[rows[:-1]]
    there = same[1:] | same[:-1]
    rows, starts = rows[there], np.flatnonzero(~same[:-1][there])
    return sorted(np.split(rows, starts)[1:], key=lambda part: part[0])


def _keys(spec: DataSpec, io: SampleIO, plan: Plan) -> np.ndarray:
    """Returns a hash of each sample, or `UNLIKE` for one that has no equal."""
    left_out = {row for row, *_ in plan.bad}
    found = np.full(len(plan.table), UNLIKE, DIGEST)
    known: dict[str, str] = {}
    for row, cells in enumerate(cells_of(spec, plan.table)):
        if row not in left_out:
            key = _key(spec, io, cells, known)
            found[row] = UNLIKE if key is None else key
        if len(known) > MAX_KNOWN:
            known.clear()
    return found


def _key(
    spec: DataSpec,
    io: SampleIO,
    cells: Mapping[str, str],
    known: dict[str, str],
) -> bytes | None:
    """Returns a hash of what a sample is read from; None if it cannot be."""
    digest = hashlib.sha256()
    for name, modality in spec.modalities.items():
        files = [f for f in modality.source_files(cells) if f.strip()]
        texts = [
            cells[column].strip()
            for column in modality.manifest_columns
            if cells[column] not in files
        ]
        for path in files:
            if path not in known:
                known[path] = _content(io, path)
            if not known[path]:
                return None
        # Bytes that are no UTF-8 are escapes here.
        parts = [name, *texts, *(known[path] for path in files)]
        digest.update(repr(parts).encode("utf-8", "surrogateescape"))
    return digest.digest()[: DIGEST.itemsize]


def _content(io: SampleIO, path: str) -> str:
    """Returns a hash of a file, or of the files in a folder; "" if neither."""
    try:
        names = io.list(path, MAX_FILES)
        if names is not None:
            inner = [_content(io, f"{path}/{name}") for name in names]
            text = "".join(inner) if all(inner) else ""
            return text and hashlib.sha256(text.encode()).hexdigest()
        with io.open(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (BadSample, OSError):
        return ""
