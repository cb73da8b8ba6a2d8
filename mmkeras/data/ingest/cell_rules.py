"""Rules for cells: what is missing, a decimal comma, names of classes.

A table is written for people, and by many programs. What can only mean one
thing is read so, counted and said; what could mean two is left as it is, and
refused where it is read.
"""

import collections
import re
from collections.abc import Iterable, Sequence

import pandas as pd

from mmkeras.spec import DataSpec, Kind, Target

SPLIT_NAMES = {
    **{name: "train" for name in ("train", "training", "trn")},
    **{n: "validation" for n in ("validation", "valid", "val", "dev")},
    **{name: "test" for name in ("test", "testing", "tst")},
}
COMMA = re.compile(r"[+-]?\d*,(\d+)([eE][+-]?\d+)?")


def settle(
    spec: DataSpec,
    table: pd.DataFrame,
    separator: str | None = None,
    arrays: bool = False,
) -> list[str]:
    """Brings cells into the form that kinds read; changes `table` itself.

    Args:
        spec: The spec.
        table: Text in every cell.
        separator: What stood between cells, which hints at a decimal comma.
        arrays: Whether whole numbers may be places among the classes.

    Returns:
        What was found and changed, counted, in sentences.
    """
    parts = {**spec.modalities, **spec.targets}
    said = []
    for name, part in parts.items():
        said += _settle_missing(spec, table, name, part)
    numbers = {c for part in parts.values() for c in part.number_columns}
    said += _settle_decimals(spec, table, sorted(numbers), separator)
    for name, target in spec.targets.items():
        said += _settle_classes(table, name, target, arrays)
    if spec.split.method == "column":
        said += _settle_splits(table, spec.split.column)
    if spec.split.group:
        said += _settle_groups(spec, table, spec.split.group)
    return said


def _settle_missing(
    spec: DataSpec, table: pd.DataFrame, name: str, part: Kind
) -> list[str]:
    """Empties the cells that stand for no value."""
    declared = spec.data.missing
    columns = (*part.number_columns, *part.category_columns)
    if declared is not None:
        columns = part.manifest_columns
    classes = getattr(part, "class_names", ())
    tokens = {*spec.data.missing_tokens} - {*classes}
    said = []
    for column in dict.fromkeys(columns):
        cells = table[column].tolist()
        found = collections.Counter(
            cell for cell in map(str.strip, cells) if cell in tokens
        )
        if found:
            kept = ["" if c.strip() in tokens else c for c in cells]
            _put(table, column, kept)
            # An empty cell is what a reader expects; no word about it.
            guess = "" if declared is not None else " (`data.missing`)"
            said.append(
                f"`{name}`: {found.total():,} cells of `{column}` read as "
                f"missing: {_counted(found)}{guess}"
            )
    return said


def _settle_decimals(
    spec: DataSpec,
    table: pd.DataFrame,
    columns: Sequence[str],
    separator: str | None,
) -> list[str]:
    decimal, cells = spec.data.decimal, {}
    if decimal == ".":
        return []
    for column in columns:
        found = table[column].tolist()
        if any("," in cell for cell in found) or decimal:
            cells[column] = found
    if not cells or (
        decimal is None and not _is_decimal_comma(table, columns, separator)
    ):
        return []
    count = 0
    for column, found in cells.items():
        count += sum("," in cell for cell in found)
        _put(table, column, [_with_point(cell) for cell in found])
    if decimal or not count:
        return []
    return [
        f"{count:,} numbers of {_names(cells)} read with a decimal comma "
        "(`data.decimal`)"
    ]


def _is_decimal_comma(
    table: pd.DataFrame, columns: Sequence[str], separator: str | None
) -> bool:
    """Whether a comma among numbers can be nothing but a decimal comma.

    1,234 may be a thousand; it is where no number has another count of digits
    after its comma, unless cells stand between semicolons, which is done
    where commas are in numbers.
    """
    cells = [c.strip() for column in columns for c in table[column].tolist()]
    found = [COMMA.fullmatch(cell) for cell in cells if "," in cell]
    if not all(found) or any("." in cell for cell in cells):
        return False
    fractions = any(
        len(match[1]) != 3 or match[0].lstrip("+-").startswith(("0,", ","))
        for match in found
    )
    return bool(found) and (fractions or separator == ";")


def _with_point(cell: str) -> str:
    if "." in cell:
        # Neither a fraction nor a thousand, for sure: it is no number.
        return f"{cell} (with a decimal comma)"
    return cell.replace(",", ".", 1)


def _settle_classes(
    table: pd.DataFrame, name: str, target: Target, arrays: bool
) -> list[str]:
    """Writes names of classes as the spec does, where just one is meant."""
    if not target.class_names:
        return []
    if arrays and _are_places(target, table[target.column].tolist()):
        names = target.class_names
        cells = [
            target.join([names[int(place)] for place in target.split(cell)])
            if cell
            else ""
            for cell in table[target.column]
        ]
        _put(table, target.column, cells)
        return [f"`{name}`: whole numbers read as places in `classes`"]
    classes = {*target.class_names}
    folded = collections.defaultdict(list)
    for known in target.class_names:
        folded[known.strip().casefold()].append(known)
    changed: collections.Counter = collections.Counter()

    def meant(written: str, times: int) -> str:
        short = written.strip()
        if written in classes or short in classes or not short:
            return written if written in classes else short
        found = folded.get(short.casefold(), [])
        # A column with missing cells turns 1 into 1.0 in many a program.
        whole = re.sub(r"(\d)\.0+$", r"\1", short)
        if len(found) != 1 and whole in classes:
            found = [whole]
        if len(found) != 1:
            return short
        changed[short, found[0]] += times
        return found[0]

    cells = table[target.column].tolist()
    settled = {}
    for cell, times in collections.Counter(cells).items():
        names = [meant(part, times) for part in target.split(cell)]
        try:
            settled[cell] = target.join(names)
        except ValueError:
            settled[cell] = cell
    _put(table, target.column, [settled[cell] for cell in cells])
    return [
        f"`{name}`: {written!r} read as the class {known!r}, {count:,} times"
        for (written, known), count in changed.most_common(5)
    ]


def _are_places(target: Target, cells: Sequence[str]) -> bool:
    """Whether all labels are places among the classes, and none a class."""
    found = {part for cell in {*cells} - {""} for part in target.split(cell)}
    count = len(target.class_names)
    return bool(found) and all(
        part.isdecimal()
        and int(part) < count
        and part not in target.class_names
        for part in found
    )


def _settle_splits(table: pd.DataFrame, column: str) -> list[str]:
    cells = table[column].tolist()
    found = [SPLIT_NAMES.get(cell.strip().casefold(), cell) for cell in cells]
    _put(table, column, found)
    pairs = zip(map(str.strip, cells), found, strict=True)
    changed = collections.Counter(p for p in pairs if p[0] != p[1])
    return [
        f"`split`: {was!r} read as {split!r}, {count:,} times"
        for (was, split), count in changed.most_common(5)
    ]


def _settle_groups(
    spec: DataSpec, table: pd.DataFrame, column: str
) -> list[str]:
    """Trims the names of groups: "p1 " beside "p1" would be on two sides."""
    tokens = {*spec.data.missing_tokens}
    cells = [cell.strip() for cell in table[column].tolist()]
    cells = ["" if cell in tokens else cell for cell in cells]
    _put(table, column, cells)
    count = cells.count("")
    if not count:
        return []
    fate = "they stay together, as one group"
    if spec.split.method == "column":
        fate = "nobody can tell whether a group of theirs is on two sides"
    return [f"`split`: {count:,} samples have no `{column}`; {fate}"]


def _put(table: pd.DataFrame, column: str, cells: list[str]) -> None:
    # pandas' own string type cannot hold bytes that are no UTF-8.
    table[column] = pd.Series(cells, dtype=object)


def _counted(found: collections.Counter) -> str:
    return ", ".join(f"{n:,} {cell!r}" for cell, n in found.most_common(5))


def _names(columns: Iterable[str]) -> str:
    shown = [f"`{column}`" for column in columns]
    more = f" and {len(shown) - 5} more" if len(shown) > 5 else ""
    return ", ".join(shown[:5]) + more
