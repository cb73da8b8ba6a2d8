"""Which labels are identities."""

from mmkeras.spec import Guess, SeenColumn

MIN_IDENTITIES, MAX_EACH = 200, 10


def recognise(column: SeenColumn) -> Guess | None:
    """Looks at many names, of which most come more than once."""
    if not column.in_text or len(column.counts) < MIN_IDENTITIES:
        return None
    numbers = column.numbers
    if numbers is not None and (numbers != numbers.round()).any():
        return None
    again = sum(count > 1 for count in column.counts.values())
    if 2 * again < len(column.counts):
        return None
    why = (
        f"{len(column.counts):,} identities, of which {again:,} come more "
        "than once"
    )
    # A number of many values is a number, unless nothing else fits; and of
    # many samples each, a class.
    few = len(column.known) < MAX_EACH * len(column.counts)
    return Guess({}, why, 0.3 if numbers is not None else 0.65 + 0.1 * few)
