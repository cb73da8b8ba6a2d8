"""Reads the labelled spans of a text as a tag for each of its tokens."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmkeras.data import BadSample, Reason, decode_utf8
from mmkeras.kinds.tags import Tags
from mmkeras.kinds.tags.notations import Named, named_spans
from mmkeras.kinds.tags.token_places import Place, place_of, settled
from mmkeras.metrics import find_spans, tags_of
from mmkeras.spec import Label

FILES = (".ann", ".json")
# What `tell` says of notes.
TOLD = {
    "without_text": "have no text, so their spans are no label",
    "spans_trimmed": "spans ended in blanks, or in what no token is of",
    "spans_widened": "spans ended inside of a token, and were widened to it",
    "spans_beyond": "spans lay beyond `max_tokens`, and were left out",
}


def source_files(tags: Tags, cells: Mapping[str, str]) -> tuple[str, ...]:
    cell = cells[tags.column].strip()
    return (cell,) if cell.lower().endswith(FILES) else ()


def read(
    tags: Tags, cells: Mapping[str, str], io: Any, samples: Mapping[str, Any]
) -> Label:
    """Returns the tags of a text's tokens; padding has weight 0.

    Raises:
        BadSample: If a span is not in the text, empty, of an unknown label,
            over another one or, where it is refused, not of whole tokens.
    """
    if tags.modality not in samples:
        none = np.zeros(tags.shape, tags.dtype)
        return Label(none, none.astype("float32"), {"without_text": 1})
    sample = samples[tags.modality]
    text = sample.geometry.text
    cell = cells[tags.column].strip()
    if source_files(tags, cells):
        brat = cell.lower().endswith(".ann")
        cell = decode_utf8(io.bytes(cell), cell)
        named = named_spans(cell, text, brat)
    else:
        named = named_spans(cell, text)
    for one in named:
        _check(tags, one, text)
    named = sorted(named)
    _check_apart(named)
    laid = _Laid(tags, text, sample.geometry)
    spans = [span for one in named if (span := laid.span(one)) is not None]
    _check_tokens_apart(tags, spans)
    weights = (np.asarray(sample.value) != 0).astype("float32")
    weights[laid.unknown] = 0
    notes = {note: count for note, count in laid.notes.items() if count}
    return Label(tags_of(spans, tags.tokens), weights, notes)


def _check(tags: Tags, one: Named, text: str) -> None:
    """Refuses what cannot be a span of the text."""
    if one.label not in tags.classes:
        raise BadSample(Reason.UNKNOWN_CLASS, repr(one.label)[:80])
    told = f"{one.label} {one.start} to {one.end}"
    if one.start >= one.end:
        raise BadSample(Reason.SPAN_EMPTY, told)
    if one.start < 0 or one.end > len(text):
        raise BadSample(
            Reason.SPAN_OUTSIDE, f"{told} of {len(text)} characters"
        )
    there = " ".join(text[one.start : one.end].split())
    if one.text is not None and " ".join(one.text.split()) != there:
        # Such as places that were counted in bytes.
        raise BadSample(
            Reason.SPAN_OUTSIDE,
            f"{told} is {there[:40]!r}, not {one.text[:40]!r}",
        )


def _check_apart(named: Sequence[Named]) -> None:
    """Refuses spans that share characters."""
    for before, one in zip(named, named[1:], strict=False):
        if one.start < before.end:
            raise BadSample(
                Reason.SPANS_OVERLAP,
                f"{before.label} {before.start} to {before.end} and "
                f"{one.label} {one.start} to {one.end}",
            )


def _check_tokens_apart(tags: Tags, spans: Sequence[tuple]) -> None:
    """Refuses spans that share a token, such as widened ones."""
    for before, one in zip(spans, spans[1:], strict=False):
        if one[0] < before[1]:
            names = [tags.classes[span[2]] for span in (before, one)]
            raise BadSample(
                Reason.SPANS_OVERLAP, f"{' and '.join(names)} share a token"
            )


class _Laid:
    """A text's tokens, over which spans are laid.

    Args:
        tags: The target.
        text: As it was read.
        geometry: Where its tokens are.
    """

    def __init__(self, tags: Tags, text: str, geometry: Any):
        self.tags = tags
        self.places = settled(text, geometry.offsets)
        self.beyond = settled(text, geometry.cut_offsets)
        # Tokens of spans of which a part is beyond.
        self.unknown: list[int] = []
        self.notes = dict.fromkeys(list(TOLD)[1:], 0)

    def span(self, one: Named) -> tuple[int, int, int] | None:
        """Returns first token, the one behind the last, and label."""
        told = f"{one.label} {one.start} to {one.end}"
        here, beyond = _over(self.places, one), _over(self.beyond, one)
        if beyond:
            self._refuse(Reason.TOO_LONG, f"{told} is beyond `max_tokens`")
            self.notes["spans_beyond"] += 1
            self.unknown += here
            return None
        if not here:
            raise BadSample(Reason.SPAN_EMPTY, f"{told}: no token is there")
        first, behind = here[0], here[-1] + 1
        start, end = place_of(self.places, first, behind) or (0, 0)
        if start < one.start or end > one.end:
            self._refuse(Reason.SPAN_IN_TOKEN, told)
            self.notes["spans_widened"] += 1
        elif (start, end) != (one.start, one.end):
            self.notes["spans_trimmed"] += 1
        return first, behind, self.tags.classes.index(one.label)

    def _refuse(self, reason: Reason, told: str) -> None:
        if self.tags.cut == "refuse":
            raise BadSample(reason, f'{told}; `cut = "fit"` takes it')


def _over(places: Sequence[Place], one: Named) -> list[int]:
    """Returns the tokens that a span covers, if in part."""
    return [
        place
        for place, (start, end) in enumerate(places)
        if start < one.end and end > one.start
    ]


def tell(tags: Tags, notes: Mapping[str, int], samples: int) -> list[str]:
    """Returns what a person should know of spans, as sentences."""
    return [
        f"{count:,} {TOLD.get(note, note)}" for note, count in notes.items()
    ]


def sums(tags: Tags, label: Label) -> dict[str, Any]:
    found = [span[2] for span in find_spans(label.value)]
    counts = np.bincount(
        np.array(found, int), minlength=len(tags.classes)
    ).tolist()
    known = label.value[np.asarray(label.weight) > 0]
    tokens = np.bincount(known, minlength=tags.outputs).tolist()
    return {"texts": 1, "spans": counts, "tokens": tokens}


def finish(tags: Tags, found: dict[str, Any] | None) -> dict[str, Any]:
    if found is None:
        return {}
    counts = found["spans"]
    named = zip(tags.classes, counts, strict=True)
    return {
        "texts": found["texts"],
        "counts": {name: int(count) for name, count in named},
        # By tag, as `class_weights = "balanced"` weighs them.
        "tokens": found["tokens"],
    }
