"""Which labels are numbers."""

from mmkeras.spec import Guess, SeenColumn, spread

# So many different whole numbers are more than names of classes.
MIN_VALUES = 20


def recognise(column: SeenColumn) -> Guess | None:
    """Looks at fractions, and at how many numbers differ."""
    numbers = column.numbers
    if numbers is None or not column.in_text:
        return None
    whole = bool((numbers == numbers.round()).all())
    distinct = len(column.counts)
    if whole and distinct <= MIN_VALUES:
        return None
    why = f"numbers, {spread(numbers, 3)}; {distinct:,} different ones"
    return Guess({}, why, 0.8)
