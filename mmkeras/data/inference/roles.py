"""Columns that are no modality: ids, splits, groups, dates, constants."""

import collections
import re
from collections.abc import Sequence
from typing import Any

from mmkeras.data.inference.columns import PATH, are_dates
from mmkeras.data.ingest.cell_rules import SPLIT_NAMES
from mmkeras.spec import SeenColumn

ID = re.compile(r"(^|_)(id|uuid|guid|key|index|nr|no|number|filename)$", re.I)
GROUP = re.compile(
    r"patient|speaker|subject|person|user|session|site|participant|customer",
    re.I,
)
# Share of the samples whose class a column gives away.
TOLD = 0.98


def split_of(seen: dict, group: str | None, told: dict) -> dict[str, Any]:
    """Returns the table `[split]`; tells the columns that it takes."""
    found: dict[str, Any] = {"method": "fractions"}
    for name, column in seen.items():
        splits = {SPLIT_NAMES.get(c.casefold()) for c in column.counts}
        if None not in splits and {"train", "test"} <= splits:
            counts = ", ".join(f"{n} {c:,}" for n, c in column.counts.items())
            told[name] = f"the split: {counts}"
            found = {"method": "column", "column": name}
            break
    if group is not None:
        found["group"] = group
        told[group] = f"the group, {len(seen[group].counts):,} of them"
    return found


def ids_of(seen: dict, used: set, wanted: str | None, told: dict) -> str | None:
    """Returns the column that names samples, and tells which do it too."""
    found = wanted
    for name, column in seen.items():
        whole = len(column.counts) == len(column.cells)
        if name in used or name in told or column.are_files or not whole:
            continue
        if are_dates(column) or _are_lost_paths(column):
            continue
        numbers = column.numbers
        single = all(" " not in c and len(c) <= 64 for c in column.known)
        counted = numbers is not None and (numbers == numbers.round()).all()
        called = ID.search(name) or name.startswith("Unnamed")
        if len(column.arrays) or not single or column.known[0][:1] == "[":
            continue
        if (called and (counted or numbers is None)) or (
            numbers is None and len(column.cells) >= 20
        ):
            if found is None:
                found = name
            told[name] = (
                "names the samples: every cell differs"
                if name == found
                else "left out: every cell differs, as in a name"
            )
    if wanted is not None:
        told[wanted] = "names the samples, as asked"
    return found


def left_out(column: SeenColumn) -> str | None:
    """Returns why no kind is asked about a column; None: they are."""
    if not column.known:
        return "every cell is empty"
    if len(column.counts) == 1 and column.in_text:
        count = f"{len(column.known):,} of {len(column.cells):,}"
        return f"{column.known[0][:40]!r} is its only value, in {count} cells"
    if are_dates(column):
        ends = f"{min(column.known)} to {max(column.known)}"
        return f"dates, {ends}; no kind reads them as they are"
    if _are_lost_paths(column):
        tried = len(column.missing_files)
        return (
            f"looks like paths, and none of {tried} tried is a file, "
            f"such as {column.missing_files[0][:60]!r} (`root`)"
        )
    return None


def unknown(column: SeenColumn) -> str:
    """Returns what a column is that no kind knows."""
    if column.files:
        names = ", ".join(list(column.files)[:2])
        return f"files of no kind that is known, such as {names}"
    return (
        f"{len(column.counts):,} different cells of {len(column.known):,}, "
        f"such as {column.known[0][:40]!r}: neither texts nor categories"
    )


def group_hints(
    seen: dict, group: str | None, targets: Sequence[str]
) -> list[str]:
    """Returns which columns look like a group that was not named."""
    if group is not None:
        return []
    return [
        f'group = "{name}" would keep each of its {len(column.counts):,} '
        f"values, of {len(column.known):,} samples, in one part"
        for name, column in seen.items()
        if GROUP.search(name)
        and name not in targets
        and 1 < len(column.counts) < len(column.known)
    ]


def _are_lost_paths(column: SeenColumn) -> bool:
    """Whether cells are written as paths are, and none names a file."""
    tried = column.missing_files
    paths = [name for name in tried if PATH.fullmatch(name)]
    return not column.files and len(paths) > len(tried) / 2


def tells_all(column: SeenColumn, target: SeenColumn) -> bool:
    """Whether a column gives a target away: each value goes with one class.

    Such a column was often written down after the target was known.
    """
    classes = len(target.counts)
    pairs = collections.Counter(
        (value.strip(), label.strip())
        for value, label in zip(column.cells, target.cells, strict=True)
        if label.strip()
    )
    total = sum(pairs.values())
    best: dict[str, int] = {}
    for (value, _), count in pairs.items():
        best[value] = max(best.get(value, 0), count)
    # Values that occur once tell nothing of another sample.
    if not total or len(best) * 4 > total or not 2 <= classes <= 1000:
        return False
    majority = target.counts.most_common(1)[0][1] / total
    return sum(best.values()) / total >= TOLD > majority + 0.05
