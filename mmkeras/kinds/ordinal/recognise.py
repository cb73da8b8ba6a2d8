"""Which labels are classes that have an order."""

import re

from mmkeras.kinds.category.recognise import classes_of, told
from mmkeras.spec import Guess, SeenColumn

NAMES = re.compile(
    r"(^|_)(grade|rating|stars?|level|severity|score|stage|rank)(_|$)", re.I
)
SCALES = (
    ("low", "medium", "high"),
    ("low", "mid", "high"),
    ("none", "mild", "moderate", "severe"),
    ("mild", "moderate", "severe"),
    ("small", "medium", "large"),
    ("poor", "fair", "good", "excellent"),
    ("bad", "ok", "good"),
)


def recognise(column: SeenColumn) -> Guess | None:
    """Looks for a scale: its words, or whole numbers called a grade."""
    found = classes_of(column)
    if found is None or not 3 <= len(found) <= 11:
        return None
    plain = {name.casefold(): name for name in found}
    for scale in SCALES:
        if {*plain} == {*scale}:
            classes = [plain[name] for name in scale]
            why = f"a scale of words; {told(column)}"
            return Guess({"classes": classes}, why, 0.75)
    numbers = column.numbers
    if (
        numbers is None
        or not NAMES.search(column.name)
        or (numbers != numbers.round()).any()
        or len(found) != numbers.max() - numbers.min() + 1
    ):
        return None
    why = f"whole numbers without a gap, called `{column.name}`; "
    return Guess({"classes": found}, why + told(column), 0.75)
