"""A spec as TOML, with what was seen in comments."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmkeras.data.ingest.source_rows import Source
from mmkeras.spec import Guess, SeenColumn


@dataclass
class Part:
    """A modality or target that was found.

    Args:
        table: "modalities" or "targets".
        name: Its name in the spec.
        kind: Its kind.
        guess: What was seen.
        column: Its column, or the first of them.
        others: Kinds that would fit too, the surest first.
        keys: Keys of its table.
        why: What was seen, a sentence a column.
    """

    table: str
    name: str
    kind: str
    guess: Guess
    column: SeenColumn
    others: Sequence[str] = ()
    keys: dict[str, Any] = field(default_factory=dict)
    why: list[str] = field(default_factory=list)
    empty: int = 0

    def __post_init__(self) -> None:
        if not self.guess.merges:
            self.keys["column"] = self.column.name
            self.empty = len(self.column.cells) - len(self.column.known)
        self.merge(self.guess, self.column)

    def merge(self, guess: Guess, column: SeenColumn) -> None:
        """Adds a column; lists of columns are put together."""
        for key, value in guess.keys.items():
            old = self.keys.get(key)
            joined = guess.merges and isinstance(old, list)
            self.keys[key] = [*old, *value] if joined else value
        empty = len(column.cells) - len(column.known)
        lacks = f"; {empty:,} of {len(column.cells):,} empty" if empty else ""
        self.why.append(f"`{column.name}`: {guess.why}{lacks}")

    def warn(self, column: SeenColumn, target: SeenColumn) -> None:
        """Says that a column gives a target away."""
        self.why.append(
            f"ATTENTION: `{column.name}` alone tells `{target.name}`: nearly "
            "each of its values goes with one class. Was it known before?"
        )

    @property
    def told(self) -> str:
        """What it is and why, in one line."""
        return f"{self.kind}: {self.guess.why}"

    @property
    def asked(self) -> list[str]:
        """What a person has to say, a sentence a key."""
        return [
            f"`{self.table}.{self.name}.{key}` ({why})"
            for key, why in self.guess.asks.items()
        ]


def spec_text(
    name: str,
    opened: Source,
    data: Mapping[str, Any],
    split: Mapping[str, Any],
    parts: Sequence[Part],
    told: Mapping[str, str],
    hints: Sequence[str],
) -> str:
    """Returns the spec as TOML.

    Args:
        name: Name of the spec.
        opened: Where the samples come from.
        data: Keys of `[data]`.
        split: Keys of `[split]`.
        parts: Modalities and targets.
        told: What became of each column.
        hints: What a person may want to add to `[split]`.
    """
    lines = [
        *_comment(
            "A first spec, made by looking at the data; what was seen stands "
            "beside it. Every key is explained in data_specs/README.md."
        ),
        _line("name", name),
        "",
        "[data]",
        *(f"# found: {said}" for said in opened.said),
    ]
    if opened.file is None and opened.root is None:
        lines += _comment(
            f"The samples are {opened.name}: mmkeras.prepare(source, spec, out)"
        )
    lines += [_line(key, value) for key, value in data.items()]
    lines += ["", "[split]"]
    for hint in hints:
        lines += _comment(hint)
    lines += [_line(key, value) for key, value in split.items()]
    for part in sorted(parts, key=lambda part: part.table):
        lines += ["", *_table(part)]
    unused = {n: t for n, t in told.items() if t.startswith("left out")}
    if unused:
        lines += ["", "# Columns that are not used:"]
        for column, why in unused.items():
            lines += _comment(f"`{column}` {why}")
    return "\n".join(lines) + "\n"


def _table(part: Part) -> list[str]:
    guess = part.guess
    lines = [f"[{part.table}.{part.name}]"]
    for why in part.why[:40]:
        lines += _comment(why)
    if len(part.why) > 40:
        lines.append(f"# and {len(part.why) - 40} columns more")
    if part.others:
        lines += _comment(f"It could also be: {', '.join(part.others)}.")
    lines.append(_line("kind", part.kind))
    for key, value in part.keys.items():
        note = guess.notes.get(key)
        lines += _comment(f"{key}: {note}") if note else []
        lines.append(_line(key, value))
    if part.table == "modalities" and part.empty:
        lines += _comment(f"empty cells: {part.empty:,}")
        lines.append(_line("optional", True))
    for key, why in guess.asks.items():
        lines += _comment(f"TO BE SAID: {why}")
        lines.append(f"# {key} = ")
    return lines


def _line(key: str, value: Any) -> str:
    import tomli_w

    text = tomli_w.dumps({key: value}).strip()
    # A short list stays in its line.
    flat = " ".join(line.strip() for line in text.splitlines())
    flat = flat.replace("[ ", "[").replace(", ]", "]")
    return flat if len(flat) <= 80 else text


def _comment(text: str) -> list[str]:
    plain = "".join(c if c.isprintable() else " " for c in text)
    return textwrap.wrap(plain, 80, initial_indent="# ", subsequent_indent="# ")
