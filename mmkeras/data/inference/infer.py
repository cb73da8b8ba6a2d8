"""From a table to a spec, with a reason for everything in it."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mmkeras.arguments import nearest
from mmkeras.artefact import write_text
from mmkeras.data.inference.columns import look_at
from mmkeras.data.inference.roles import (
    group_hints,
    ids_of,
    left_out,
    split_of,
    tells_all,
    unknown,
)
from mmkeras.data.inference.spec_text import Part, spec_text
from mmkeras.data.ingest.source_rows import Source
from mmkeras.data.ingest.sources import open_source
from mmkeras.spec import (
    MODALITIES,
    RESERVED,
    TARGETS,
    DataSpec,
    Guess,
    SeenColumn,
    read_toml,
)

# A class with fewer samples cannot be in all three parts of a split.
MIN_CLASS = 3


@dataclass(frozen=True)
class InferredSpec:
    """A first spec for a table.

    Args:
        text: The spec as TOML, with what was seen in comments.
        columns: For each column what it was taken for and why, in words.
        questions: What nobody can see and a person has to say.
    """

    text: str
    columns: dict[str, str]
    questions: tuple[str, ...] = ()

    @property
    def spec(self) -> DataSpec:
        """The spec, where nothing is left to say.

        Raises:
            ValueError: If something is.
        """
        import tomllib

        if self.questions:
            raise ValueError(
                "The spec must be completed first. Received: one that asks "
                + "; ".join(self.questions)
            )
        return DataSpec.from_dict(tomllib.loads(self.text))


def infer_spec(
    source: Any,
    target: str | Sequence[str],
    group: str | None = None,
    id_column: str | None = None,
    root: str | Path | None = None,
    out: str | Path | None = None,
    name: str | None = None,
) -> InferredSpec:
    """Looks at a table and writes a first spec for it.

    A column is known by its content: paths by opening some of the files,
    texts by length and letters, numbers, categories, dates. Each line says in
    a comment what was seen. Nothing is decided that cannot be seen: that
    stands there as a question.

    Args:
        source: As `mmkeras.prepare` takes it: a DataFrame, the path of a
            table or of a folder of class folders, arrays by column, ...
        target: Column, or columns, that a model is to predict.
        group: Column whose value must not be in two parts of the split, such
            as a patient.
        id_column: Column that names a sample; found where left out.
        root: Folder of the paths in it; where left out that of the table.
        out: TOML file to write; nothing is written where left out.
        name: Name of the spec; that of the table where left out.

    Raises:
        ValueError: If a column is not there, or no kind fits a target.

    Example:

    >>> found = infer_spec(frame, target="species")
    >>> print(found.text)
    >>> mmkeras.prepare(frame, found.spec, "birds")
    """
    opened = open_source(source)
    rows = pd.concat(list(opened.chunks), ignore_index=True)
    targets = [target] if isinstance(target, str) else list(target)
    for column in [*targets, group, id_column]:
        if column is not None and column not in rows.columns:
            near = nearest(column, [str(c) for c in rows.columns])
            raise ValueError(
                f"`{opened.name}` must have the column `{column}`.{near}"
            )
    folder = Path(root or opened.root or ".")
    seen = {
        str(c): look_at(
            str(c), _named(rows[c].tolist(), opened.classes.get(c)), folder
        )
        for c in rows.columns
    }
    parts, told = [], {}
    split = split_of(seen, group, told)
    names = ids_of(
        seen, {*targets, group, split.get("column")}, id_column, told
    )
    taken: set[str] = set()
    for column in targets:
        part = _target(seen[column], taken)
        parts.append(part)
        told[column] = f"target `{part.name}`, {part.told}"
    left = [c for c in seen if c not in {*told, *targets, group}]
    labels = [seen[c] for c in targets]
    parts += _modalities([seen[c] for c in left], labels, taken, told)
    if not any(part.table == "modalities" for part in parts):
        raise ValueError(
            "`source` must have a column that a model can read beside its "
            f"targets. Received: {_listed(told) or 'none'}"
        )
    hints = group_hints(seen, group, targets)
    if split["method"] == "fractions":
        split |= _stratify(parts, seen, hints)
    text = spec_text(
        name or _name(Path(opened.name).name.split(".")[0], set()) or "table",
        opened,
        _data(opened, folder, out, names, seen),
        split,
        parts,
        told,
        hints,
    )
    found = InferredSpec(text, told, tuple(q for p in parts for q in p.asked))
    if out is not None:
        _write(Path(out), found)
    return found


def _write(out: Path, found: InferredSpec) -> None:
    if out.exists():
        raise ValueError(
            f"`out` must be a new file; none is overwritten. Received: {out}"
        )
    write_text(out, found.text)
    read_toml(out)


def _named(values: list, names: Sequence[str] | None) -> list:
    if names is None:
        return values
    return [
        names[v] if isinstance(v, int) and 0 <= v < len(names) else v
        for v in values
    ]


def _target(column: SeenColumn, taken: set[str]) -> Part:
    guesses = _guesses(TARGETS.known, column)
    if not guesses:
        raise ValueError(
            f"`target` must be a column that some kind of target reads. "
            f"Received: `{column.name}`, {len(column.counts):,} different "
            f"cells of {len(column.known):,}, such as "
            f"{next(iter(column.counts), 'none')!r}"
        )
    (kind, guess), *others = guesses
    return Part(
        "targets", _name(column.name, taken), kind, guess, column,
        others=[other for other, _ in others],
    )  # fmt: skip


def _modalities(
    columns: Sequence[SeenColumn],
    targets: Sequence[SeenColumn],
    taken: set[str],
    told: dict[str, str],
) -> list[Part]:
    parts: list[Part] = []
    merged: dict[str, Part] = {}
    for column in columns:
        reason = left_out(column)
        guesses = [] if reason else _guesses(MODALITIES.known, column)
        if not guesses:
            told[column.name] = f"left out: {reason or unknown(column)}"
            continue
        (kind, guess), *others = guesses
        if guess.merges and kind in merged:
            merged[kind].merge(guess, column)
        else:
            name = "table" if guess.merges else column.name
            part = Part(
                "modalities", _name(name, taken), kind, guess, column,
                others=[other for other, _ in others],
            )  # fmt: skip
            parts.append(part)
            if guess.merges:
                merged[kind] = part
        part = merged[kind] if guess.merges else parts[-1]
        told[column.name] = f"modality `{part.name}`, {kind}: {guess.why}"
        for target in targets:
            if guess.merges and tells_all(column, target):
                part.warn(column, target)
                told[column.name] += f"; IT TELLS `{target.name}` ALONE"
    return parts


def _guesses(known: Any, column: SeenColumn) -> list[tuple[str, Guess]]:
    """Returns what kinds take a column for, the surest first."""
    found = [(kind, cls.recognise(column)) for kind, cls in known.items()]
    found = [(kind, guess) for kind, guess in found if guess is not None]
    return sorted(found, key=lambda pair: -pair[1].score)


def _stratify(
    parts: Sequence[Part], seen: dict, hints: list[str]
) -> dict[str, str]:
    """Returns the target whose classes keep their share in each part."""
    for part in parts:
        if not (
            part.table == "targets" and TARGETS.known[part.kind].stratifies
        ):
            continue
        counts = seen[part.column.name].counts
        if min(counts.values()) >= MIN_CLASS:
            return {"stratify": part.name}
        few = sum(count < MIN_CLASS for count in counts.values())
        hints.append(
            f'stratify = "{part.name}" is left out: {few} of its classes have '
            f"fewer than {MIN_CLASS} samples, too few for three parts"
        )
    return {}


def _data(
    opened: Source,
    folder: Path,
    out: str | Path | None,
    id_column: str | None,
    seen: dict,
) -> dict[str, Any]:
    """Returns the table `[data]`, with what was found to read the manifest."""
    data: dict[str, Any] = {}
    base = Path(out).absolute().parent if out is not None else Path.cwd()
    if folder != Path("."):
        data["root"] = Path(os.path.relpath(folder.absolute(), base)).as_posix()
    if opened.file is not None:
        inside = os.path.relpath(opened.file.absolute(), folder.absolute())
        data["manifest"] = Path(inside).as_posix()
        if opened.separator not in (None, ","):
            data["separator"] = opened.separator
        if opened.encoding not in (None, "utf-8"):
            data["encoding"] = opened.encoding
    if any(column.decimal == "," and column.numbers is not None
           for column in seen.values()):  # fmt: skip
        data["decimal"] = ","
    if id_column is not None:
        data["id_column"] = id_column
    return data


def _name(text: str, taken: set[str]) -> str:
    """Returns a name that a spec may have, and that is not taken."""
    plain = re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_")
    plain = re.sub(r"^[0-9_]+", "", plain)[:36] or "column"
    if plain in RESERVED:
        plain += "_of_mine"
    name, number = plain, 2
    while name in taken:
        name, number = f"{plain}_{number}", number + 1
    taken.add(name)
    return name


def _listed(told: dict[str, str]) -> str:
    return "; ".join(f"`{name}` {what}" for name, what in told.items())[:600]
