"""Which labels are classes."""

from mmkeras.spec import Guess, SeenColumn

MAX_CLASSES = 1000
SHOWN = 8


def recognise(column: SeenColumn) -> Guess | None:
    """Looks at how few names there are, and how often each comes."""
    found = classes_of(column)
    if found is None or len(column.known) < 2 * len(found):
        return None
    return Guess({"classes": found}, told(column), 0.7)


def classes_of(column: SeenColumn) -> list[str] | None:
    """Returns the names of classes in order; None where there are too many."""
    if not column.in_text or not 2 <= len(column.counts) <= MAX_CLASSES:
        return None
    if column.numbers is not None:
        order = dict(zip(column.known, column.numbers, strict=True))
        return sorted(column.counts, key=lambda name: (order[name], name))
    return sorted(column.counts)


def told(column: SeenColumn) -> str:
    """Returns the classes with their counts, to be read."""
    common = column.counts.most_common()
    shown = ", ".join(f"{name!r} {count:,}" for name, count in common[:SHOWN])
    more = f" and {len(common) - SHOWN} more" if len(common) > SHOWN else ""
    few = [name for name, count in common if count < 3]
    rare = f"; fewer than 3 samples: {len(few)} classes" if few else ""
    return f"{len(common)} classes: {shown}{more}{rare}"
