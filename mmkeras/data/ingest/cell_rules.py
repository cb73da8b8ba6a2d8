"""Rules for cells: what is missing, a decimal comma, names of classes.

A table is written for people, and by many programs. What can only mean one
thing is read so, counted and said; what could mean two is left as it is, and
refused where it is read.
"""

import collections
import functools
import itertools
import re
from collections.abc import Callable, Iterable, Sequence

from mmkeras.data.ingest.table import Table, parts_of
from mmkeras.spec import DataSpec, Kind, Target

SPLIT_NAMES = {
    **{name: "train" for name in ("train", "training", "trn")},
    **{n: "validation" for n in ("validation", "valid", "val", "dev")},
    **{name: "test" for name in ("test", "testing", "tst")},
}
# Different cells of a column of classes that are remembered.
MEMO_CELLS = 2**14
COMMA = re.compile(r"[+-]?\d*,(\d+)([eE][+-]?\d+)?")


def settle(
    spec: DataSpec,
    table: Table,
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
    spec: DataSpec, table: Table, name: str, part: Kind
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
        found: collections.Counter = collections.Counter()

        def emptied(cells: list[str], found=found) -> list[str]:
            short = [cell.strip() for cell in cells]
            if tokens.isdisjoint(short):
                return cells
            found.update(cell for cell in short if cell in tokens)
            pairs = zip(cells, short, strict=True)
            return ["" if s in tokens else cell for cell, s in pairs]

        table.change(column, emptied)
        if found:
            # An empty cell is what a reader expects; no word about it.
            guess = "" if declared is not None else " (`data.missing`)"
            said.append(
                f"`{name}`: {found.total():,} cells of `{column}` read as "
                f"missing: {_counted(found)}{guess}"
            )
    return said


def _settle_decimals(
    spec: DataSpec,
    table: Table,
    columns: Sequence[str],
    separator: str | None,
) -> list[str]:
    decimal = spec.data.decimal
    if decimal == ".":
        return []
    commas = {
        column: sum("," in cell for cell in table[column]) for column in columns
    }
    if not decimal:
        commas = {column: count for column, count in commas.items() if count}
        if not _is_decimal_comma(table, columns, separator):
            return []
    for column in commas:
        table.change(column, lambda cells: [*map(_with_point, cells)])
    count = sum(commas.values())
    if decimal or not count:
        return []
    return [
        f"{count:,} numbers of {_names(commas)} read with a decimal comma "
        "(`data.decimal`)"
    ]


def _is_decimal_comma(
    table: Table, columns: Sequence[str], separator: str | None
) -> bool:
    """Whether a comma among numbers can be nothing but a decimal comma.

    1,234 may be a thousand; it is where no number has another count of digits
    after its comma, unless cells stand between semicolons, which is done
    where commas are in numbers.
    """
    found = fractions = False
    for cell in itertools.chain(*(table[column] for column in columns)):
        if "." in cell:
            return False
        if "," not in cell:
            continue
        match = COMMA.fullmatch(cell.strip())
        if not match:
            return False
        found = True
        fractions |= len(match[1]) != 3 or match[0].lstrip("+-").startswith(
            ("0,", ",")
        )
    return found and (fractions or separator == ";")


def _with_point(cell: str) -> str:
    if "." in cell:
        # Neither a fraction nor a thousand, for sure: it is no number.
        return f"{cell} (with a decimal comma)"
    return cell.replace(",", ".", 1)


def _settle_classes(
    table: Table, name: str, target: Target, arrays: bool
) -> list[str]:
    """Writes names of classes as the spec does, where just one is meant."""
    # A cell of one that is read with its sample may name a file.
    if not target.class_names or target.read_with_sample:
        return []
    column = target.column
    if arrays and _are_places(target, table[column]):
        names = target.class_names

        def named(cell: str) -> str:
            places = target.split(cell) if cell else ()
            return target.join([names[int(place)] for place in places])

        table.change(column, lambda cells: [c and named(c) for c in cells])
        return [f"`{name}`: whole numbers read as places in `classes`"]
    changed: collections.Counter = collections.Counter()
    settled = _class_rule(target)

    def renamed(cells: list[str]) -> list[str]:
        for cell, times in collections.Counter(cells).items():
            for pair in settled(cell)[1]:
                changed[pair] += times
        return [settled(cell)[0] for cell in cells]

    table.change(column, renamed)
    return [
        f"`{name}`: {written!r} read as the class {known!r}, {count:,} times"
        for (written, known), count in changed.most_common(5)
    ]


def _class_rule(
    target: Target,
) -> Callable[[str], tuple[str, list[tuple[str, str]]]]:
    """Returns a function from a cell to what it means, and what changed."""
    classes = {*target.class_names}
    folded = collections.defaultdict(list)
    for known in target.class_names:
        folded[known.strip().casefold()].append(known)

    def meant(written: str) -> tuple[str, bool]:
        short = written.strip()
        if written in classes or short in classes or not short:
            return (written if written in classes else short), False
        found = folded.get(short.casefold(), [])
        # A column with missing cells turns 1 into 1.0 in many a program.
        whole = re.sub(r"(\d)\.0+$", r"\1", short)
        if len(found) != 1 and whole in classes:
            found = [whole]
        return (found[0], True) if len(found) == 1 else (short, False)

    # Most cells come again, in a table of any length.
    @functools.lru_cache(MEMO_CELLS)
    def settled(cell: str) -> tuple[str, list[tuple[str, str]]]:
        parts = target.split(cell)
        found = [meant(part) for part in parts]
        changed = [
            (part.strip(), name)
            for part, (name, other) in zip(parts, found, strict=True)
            if other
        ]
        try:
            return target.join([name for name, _ in found]), changed
        except ValueError:
            return cell, changed

    return settled


def _are_places(target: Target, cells: Iterable[str]) -> bool:
    """Whether all labels are places among the classes, and none a class."""
    classes, any_there = {*target.class_names}, False
    for part in parts_of(cells):
        found = {p for cell in {*part} - {""} for p in target.split(cell)}
        any_there |= bool(found)
        if not all(
            one.isdecimal() and int(one) < len(classes) and one not in classes
            for one in found
        ):
            return False
    return any_there


def _settle_splits(table: Table, column: str) -> list[str]:
    changed: collections.Counter = collections.Counter()

    def renamed(cells: list[str]) -> list[str]:
        found = [SPLIT_NAMES.get(c.strip().casefold(), c) for c in cells]
        pairs = zip(map(str.strip, cells), found, strict=True)
        changed.update(pair for pair in pairs if pair[0] != pair[1])
        return found

    table.change(column, renamed)
    return [
        f"`split`: {was!r} read as {split!r}, {count:,} times"
        for (was, split), count in changed.most_common(5)
    ]


def _settle_groups(spec: DataSpec, table: Table, column: str) -> list[str]:
    """Trims the names of groups: "p1 " beside "p1" would be on two sides."""
    tokens, count = {*spec.data.missing_tokens}, 0

    def trimmed(cells: list[str]) -> list[str]:
        nonlocal count
        found = ["" if (s := c.strip()) in tokens else s for c in cells]
        count += found.count("")
        return found

    table.change(column, trimmed)
    if not count:
        return []
    fate = "they stay together, as one group"
    if spec.split.method == "column":
        fate = "nobody can tell whether a group of theirs is on two sides"
    return [f"`split`: {count:,} samples have no `{column}`; {fate}"]


def _counted(found: collections.Counter) -> str:
    return ", ".join(f"{n:,} {cell!r}" for cell, n in found.most_common(5))


def _names(columns: Iterable[str]) -> str:
    shown = [f"`{column}`" for column in columns]
    more = f" and {len(shown) - 5} more" if len(shown) > 5 else ""
    return ", ".join(shown[:5]) + more
