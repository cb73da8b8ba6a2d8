"""The sheet a person fills in, written and read as spreadsheets have it."""

import csv
import io
from pathlib import Path
from typing import Any

from mmkeras import artefact
from mmkeras.arguments import nearest
from mmkeras.data import MAX_MANIFEST_BYTES, open_inside
from mmkeras.escaping import printable
from mmkeras.spec import DataSpec, load_spec
from mmkeras.studies.label.folder_labels import labels_of_folder
from mmkeras.studies.label.name_matching import (
    Places,
    check_of,
    find,
    is_like,
    spellings,
)

NEEDED = ("id", "target", "label", "proposed")
ACCEPT, CHECK = "ok", "check"
MAX_SHEET_BYTES = 2**30
# Most errors in one message.
MAX_ERRORS = 20


def write_sheet(path: str | Path, rows: list[dict[str, Any]]) -> None:
    """Writes proposals as CSV, atomically, safe to open in a spreadsheet.

    The column `label` is empty: it is for the person. `ok` accepts the
    proposal, a class corrects it, and an empty cell leaves the sample
    without a label. No cell is a formula, or moves a terminal's cursor. The
    column `check` tells ids apart that a spreadsheet makes alike.

    Args:
        path: The file.
        rows: What `propose_labels` returned.
    """
    shown = (
        {k: _shown(v) for k, v in row.items()} | {CHECK: check_of(row["id"])}
        for row in rows
    )
    # Without the mark, a spreadsheet takes UTF-8 for something else.
    artefact.write_csv(path, shown, start="\ufeff")


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else round(float(value), 4)


def apply_labels(
    spec: str | Path,
    sheet: str | Path,
    out: str | Path,
    replace: bool = False,
) -> dict[str, int]:
    """Writes a manifest with the labels of a sheet that was filled in.

    Every other cell stays as it is, and so does the old manifest. Of a
    prepared folder, whose rows may have come from a DataFrame or from arrays,
    a table of ids and labels is written, to be joined with those rows.

    Args:
        spec: The TOML spec whose manifest lacks the labels, or a folder of
            `prepare`.
        sheet: What `write_sheet` wrote, filled in and saved as CSV, with
            commas, semicolons or tabs.
        out: CSV to write; it must not exist.
        replace: Whether a label that is there already may become another.

    Returns:
        How many labels of each target were put in.

    Raises:
        ValueError: With the lines, if an id, a target or a class is unknown,
            a label is given twice, or one that is there would be replaced.

    Example:

    >>> apply_labels("birds.toml", "labels.csv", "birds/manifest-2.csv")
    {'species': 187}
    """
    out = Path(out)
    if out.exists():
        raise ValueError(
            f"`{out}` must not exist. Received: a file that is there"
        )
    if Path(spec).is_dir():
        found, header, rows = labels_of_folder(Path(spec))
        ids = [row[0] for row in rows]
    else:
        found = load_spec(spec)
        header, rows = _manifest(found)
        ids = [str(row) for row in range(len(rows))]
        if found.data.id_column is not None:
            ids = [row[header.index(found.data.id_column)] for row in rows]
    labels, errors = _filled_in(found, Path(sheet), ids)
    counts: dict[str, int] = {}
    for (row, name), (label, line) in labels.items():
        column = header.index(found.targets[name].column)
        old = rows[row][column].strip()
        if old and old != label and not replace:
            errors.append(
                f"line {line}: `{name}` is {old!r} already, not {label!r}; "
                "`--replace` changes it"
            )
        rows[row][column] = label
        counts[name] = counts.get(name, 0) + 1
    if errors:
        more = len(errors) - MAX_ERRORS
        lines = [printable(error) for error in errors[:MAX_ERRORS]]
        raise ValueError(
            f"Every label in `{sheet}` must fit the spec. Received:\n  "
            + "\n  ".join(lines)
            + (f"\n  and {more} more" if more > 0 else "")
        )
    if not labels:
        raise ValueError(
            f"`{sheet}` must have labels in its column `label`. Received: "
            f"none; `{ACCEPT}` takes what is proposed"
        )
    with (
        artefact.new_file(out) as temporary,
        open(
            temporary, "w", newline="",
            encoding="utf-8", errors="surrogateescape",
        ) as file,
    ):  # fmt: skip
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    return counts


def _manifest(spec: DataSpec) -> tuple[list[str], list[list[str]]]:
    """Returns header and rows of the spec's manifest, every column of it."""
    name = spec.data.manifest
    if Path(name).suffix.lower() in (".parquet", ".pq"):
        raise ValueError(
            "`data.manifest` must be a CSV file to put labels into. "
            f"Received: {name!r}"
        )
    try:
        with open_inside(spec.root, name, MAX_MANIFEST_BYTES) as file:
            text = io.TextIOWrapper(
                file, "utf-8-sig", errors="surrogateescape", newline=""
            )
            header, *rows = csv.reader(text)
    except (ValueError, OSError, csv.Error) as error:
        raise ValueError(
            f"`data.manifest` must be a CSV file with a header, inside "
            f"`{spec.root}`. Received: {name!r} ({error})"
        ) from None
    rows = [row for row in rows if row]
    columns = [target.column for target in spec.targets.values()]
    for column in (spec.data.id_column, *columns):
        if column is not None and column not in header:
            raise ValueError(
                f"`{name}` must have the column `{column}`, which the spec "
                f"names.{nearest(column, header)}"
            )
    if any(len(row) != len(header) for row in rows):
        raise ValueError(
            f"Every row of `{name}` must have {len(header)} cells. Received: "
            "one of another length"
        )
    return header, rows


def _filled_in(
    spec: DataSpec, path: Path, ids: list[str]
) -> tuple[dict[tuple[int, str], tuple[str, int]], list[str]]:
    """Returns labels and their lines by row and target, and what is wrong."""
    places, checks = spellings(ids), {check_of(n): i for i, n in enumerate(ids)}
    labels: dict[tuple[int, str], tuple[str, int]] = {}
    errors = []
    for line, row in _read(path):
        text = row["label"].strip()
        if not text:
            continue
        name = row["target"].strip()
        try:
            place = _place(row, ids, places, checks)
            label = _label(spec, name, text, row["proposed"].strip())
            if labels.get((place, name), (label, 0))[0] != label:
                raise ValueError(f"{row['id'][:80]!r} has two labels")
        except ValueError as error:
            errors.append(f"line {line}: {error}")
        else:
            labels[place, name] = label, line
    return labels, errors


def _place(
    row: dict, ids: list[str], places: Places, checks: dict[str, int]
) -> int:
    """Returns which sample a row of a sheet is about."""
    if None in row:
        raise ValueError("more cells than the header has")
    shown, check = row["id"][:80], (row.get(CHECK) or "").strip()
    place = find(places, row["id"])
    if check and checks.get(check) != place:
        # A spreadsheet has made two ids alike, or somebody changed the row.
        place = checks.get(check)
        if place is not None and not is_like(ids[place], row["id"]):
            place = None
    if place is None:
        also = f" and the check {check[:20]!r}" if check else ""
        raise ValueError(f"no sample has the id {shown!r}{also}")
    return place


def _label(spec: DataSpec, name: str, text: str, proposed: str) -> str:
    """Returns the manifest's cell for what a person wrote."""
    target = spec.targets.get(name)
    if target is None or not target.proposes:
        known = [n for n, t in spec.targets.items() if t.proposes]
        raise ValueError(
            f"{name[:80]!r} is no target with classes.{nearest(name, known)}"
        )
    classes = spellings(target.classes)
    quoted = len(text) > 2 and text[0] == text[-1] == '"'
    alike = [n for n in target.classes if n.strip().casefold() == ACCEPT]
    if quoted:
        text = text[1:-1]
    elif text.casefold() == ACCEPT:
        if alike and alike != [proposed]:
            raise ValueError(
                f"{text!r} is a class of `{name}`, and takes what is "
                f'proposed, {proposed!r}: write "{alike[0]}" in quotes, or '
                "the class that is proposed"
            )
        if not proposed:
            # An empty cell of a manifest says that nothing is known.
            raise ValueError(
                f"{ACCEPT!r} cannot stand for no class at all of `{name}`: "
                "a manifest has no word for that"
            )
        text = proposed
    found = []
    for part in target.split(text):
        place = find(classes, part)
        if place is None:
            raise ValueError(
                f"{part[:80]!r} is no class of `{name}`."
                f"{nearest(part, list(target.classes))}"
            )
        found.append(target.classes[place])
    return target.join(found)


def _read(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Returns the rows of a sheet, each with the number of its line."""
    if not path.is_file():
        raise ValueError(
            f"`{path}` must be a CSV file. Received: nothing that is one"
        )
    with open(path, "rb") as file:
        raw = file.read(MAX_SHEET_BYTES + 1)
    if len(raw) > MAX_SHEET_BYTES:
        raise ValueError(
            f"`{path}` must have at most {MAX_SHEET_BYTES:,} bytes. "
            "Received: more"
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(
            f"`{path}` must be UTF-8. Received: another encoding; save it as "
            "'CSV UTF-8'"
        ) from None
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    reader = csv.DictReader(
        io.StringIO(text, newline=""), delimiter=separator, restval=""
    )
    names = list(reader.fieldnames or ())
    twice = [n for n in (*NEEDED, CHECK) if names.count(n) > 1]
    if twice:
        raise ValueError(
            f"`{path}` must have each column once. Received: `{twice[0]}` twice"
        )
    missing = [n for n in NEEDED if n not in names]
    if missing:
        raise ValueError(
            f"`{path}` must be a sheet that `mmkeras label` wrote, with the "
            f"columns {', '.join(NEEDED)}. Received: one without "
            f"{', '.join(missing)}"
        )
    try:
        return [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise ValueError(
            f"Every row of `{path}` must be one that a spreadsheet writes. "
            f"Received: line {reader.reader.line_num}: {error}"
        ) from None
