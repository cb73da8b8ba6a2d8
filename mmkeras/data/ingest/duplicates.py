"""Samples that are the same in every modality, and what becomes of them."""

import hashlib
from collections.abc import Mapping

import numpy as np

from mmkeras.data.files.reasons import BadSample, Reason
from mmkeras.data.files.source import SampleIO
from mmkeras.data.ingest.plan import Plan
from mmkeras.data.ingest.stamps import cells_of
from mmkeras.spec import DataSpec

MAX_FILES = 10_000


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
    known: dict[str, str] = {}
    left_out = {row for row, *_ in plan.bad}
    groups: dict[str, list[int]] = {}
    for row, cells in enumerate(cells_of(spec, plan.table)):
        if row not in left_out:
            key = _key(spec, io, cells, known) or f"row {row}"
            groups.setdefault(key, []).append(row)
    several = [rows for rows in groups.values() if len(rows) > 1]
    copies = sum(map(len, several)) - len(several)
    if rule == "group":
        plan.together = np.arange(len(plan.table))
        for rows in several:
            plan.together[rows] = rows[0]
        done = "stay in one split"
    else:
        ids = plan.table["sample/id"]
        for first, *others in several:
            gone = others if rule == "first" else [first, *others]
            fault = str(Reason.DUPLICATE), f"the same as {ids.iloc[first]!r}"
            plan.bad += [(row, "sample", *fault) for row in gone]
        done = "are left out" + (", with their first" * (rule == "drop"))
    if several:
        plan.said.append(
            f"`data.duplicates`: {copies:,} copies of {len(several):,} samples "
            f"{done}"
        )


def _key(
    spec: DataSpec,
    io: SampleIO,
    cells: Mapping[str, str],
    known: dict[str, str],
) -> str | None:
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
    return digest.hexdigest()


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
