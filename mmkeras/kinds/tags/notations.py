"""The ways in which spans of a text are written."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from mmkeras.data import BadSample, Reason

# A tag a word, as CoNLL has them.
TAGS = re.compile(r"\s*(?:O|[BI]-\S+)(?:\s+(?:O|[BI]-\S+))*\s*")
WORD = re.compile(r"\S+")
WRITTEN = re.compile(r"\s*(?P<label>[^;]+):\s*(\d+)\s*,\s*(\d+)\s*")
# An entity of brat: T1, label, start, end, and the text between them.
BRAT = re.compile(r"T\S*\t(?P<label>\S+) (\d+) (\d+)(?:\t(?P<text>.*))?")
# Keys under which a JSON object holds its spans.
LISTS = ("entities", "spans", "label", "labels")


class Named(NamedTuple):
    """A span as it is written.

    Args:
        start: Its first character.
        end: The place behind its last one.
        label: Its name.
        text: What is written to stand there; None where nothing is.
    """

    start: int
    end: int
    label: str
    text: str | None = None


def named_spans(cell: str, text: str | None, brat: bool = False) -> list[Named]:
    """Returns the spans of a cell, or of a file.

    Args:
        cell: What is written.
        text: What the spans are of; None where it is not known, and the words
            of tags cannot be counted.
        brat: Whether it is a file of brat.

    Raises:
        BadSample: If it is written in none of the ways.
    """
    if brat:
        return [*_brat(cell)]
    if cell.lstrip()[:1] in ("[", "{"):
        return [*_json(cell)]
    if TAGS.fullmatch(cell):
        return _words(cell.split(), text)
    return [*_written(cell)]


def _written(cell: str) -> Iterator[Named]:
    """Reads `label:start,end;...`."""
    for part in filter(str.strip, cell.split(";")):
        match = WRITTEN.fullmatch(part)
        if match is None:
            raise BadSample(
                Reason.WRONG_FORMAT, f"{part[:80]!r}, not `label:start,end`"
            )
        label, start, end = match.groups()
        yield Named(int(start), int(end), label.strip())


def _json(cell: str) -> Iterator[Named]:
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        raise BadSample(
            Reason.WRONG_FORMAT, f"{cell[:80]!r}: no JSON"
        ) from None
    if isinstance(found, dict):
        found = next((found[key] for key in LISTS if key in found), None)
    if not isinstance(found, list):
        raise BadSample(Reason.WRONG_FORMAT, f"{cell[:80]!r}: no list of spans")
    for one in found:
        yield _named(one)


def _named(one: Any) -> Named:
    if isinstance(one, dict):
        parts = [one.get(key) for key in ("start", "end", "label")]
        text = one.get("text")
    else:
        parts, text = one, None
    if (
        not isinstance(parts, list)
        or len(parts) != 3
        or not all(type(number) is int for number in parts[:2])
        or not isinstance(parts[2], str)
        or not isinstance(text, str | None)
    ):
        detail = f"{json.dumps(one)[:80]}: no start, end and label"
        raise BadSample(Reason.WRONG_FORMAT, detail)
    return Named(*parts, text)


def _brat(lines: str) -> Iterator[Named]:
    """Reads the entities of brat's file; relations and notes are left."""
    for line in lines.splitlines():
        if not line.startswith("T"):
            continue
        match = BRAT.fullmatch(line)
        if match is None:
            # Such as a span in several parts.
            raise BadSample(
                Reason.WRONG_FORMAT, f"{line[:80]!r}: no entity of one part"
            )
        label, start, end, text = match.groups()
        yield Named(int(start), int(end), label, text)


def _words(tags: list[str], text: str | None) -> list[Named]:
    """Reads a tag a word, where words are what stands between blanks."""
    places = [(i, i + 1) for i in range(len(tags))]
    if text is not None:
        places = [match.span() for match in WORD.finditer(text)]
    if len(places) != len(tags):
        raise BadSample(
            Reason.WRONG_SIZE, f"{len(tags)} tags for {len(places)} words"
        )
    found: list[Named] = []
    before = "O"
    for tag, (start, end) in zip(tags, places, strict=True):
        label = tag[2:]
        if tag != "O":
            if tag[0] == "I" and before[2:] == label:
                start = found.pop().start
            found.append(Named(start, end, label))
        before = tag
    return found
