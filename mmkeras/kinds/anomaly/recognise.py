"""Which labels say what is normal."""

from mmkeras.spec import Guess, SeenColumn

NORMAL = ("normal", "ok", "good", "healthy")


def recognise(column: SeenColumn) -> Guess | None:
    """Looks for a name that says that a sample is normal, and is most."""
    if not column.in_text or column.numbers is not None:
        return None
    count = len(column.known)
    for name, times in column.counts.items():
        if name.casefold() in NORMAL and 0.9 * count <= times < count:
            why = f"{times:,} of {count:,} are {name!r}"
            # Less sure than a class: two classes are learned by labels.
            return Guess({"normal": [name]}, why, 0.3)
    return None
