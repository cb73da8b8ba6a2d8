"""Which columns hold labelled spans of a text."""

from mmkeras.data import BadSample
from mmkeras.kinds.tags.notations import named_spans
from mmkeras.spec import Guess, SeenColumn

MAX_CLASSES = 1000


def recognise(column: SeenColumn) -> Guess | None:
    """Looks for spans written in cells, or for brat's annotations."""
    cells = column.known
    if column.are_files:
        cells = [
            raw.decode("utf-8", "replace")
            for name, raw in column.files.items()
            if name.lower().endswith(".ann")
        ]
        if 2 * len(cells) <= len(column.files):
            return None
    elif not column.in_text or column.numbers is not None:
        return None
    names, spans = set(), 0
    for cell in cells:
        try:
            found = named_spans(cell, None, brat=column.are_files)
        except BadSample:
            return None
        names |= {one.label for one in found}
        spans += len(found)
    if not 1 <= len(names) <= MAX_CLASSES:
        return None
    why = f"{spans} spans in {len(cells)} cells"
    return Guess(
        {"classes": sorted(names)},
        why,
        0.95,
        {"classes": "of what was looked at; others may be in the rest"},
        asks={"modality": "the text that the spans lie in"},
    )
