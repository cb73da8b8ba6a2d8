"""Which labels are the next steps of a series."""

import json

from mmkeras.spec import Guess, SeenColumn

MIN_STEPS = 2


def recognise(column: SeenColumn) -> Guess | None:
    """Looks for lists of as many numbers in every cell."""
    if not column.in_text or column.numbers is not None or not column.known:
        return None
    sizes, channels = set(), set()
    for cell in column.known:
        if not cell.lstrip().startswith("["):
            return None
        try:
            steps = json.loads(cell)
        except (ValueError, RecursionError):
            return None
        if not isinstance(steps, list) or not steps:
            return None
        rows = [row if isinstance(row, list) else [row] for row in steps]
        kinds = {type(one) for row in rows for one in row}
        if not kinds <= {int, float, type(None)} or kinds <= {int}:
            return None
        sizes.add(len(rows))
        channels |= {len(row) for row in rows}
    if len(sizes) != 1 or len(channels) != 1 or min(sizes) < MIN_STEPS:
        return None
    count = channels.pop()
    return Guess(
        {"steps": sizes.pop()},
        f"a list of numbers for each of {count} channels in every cell",
        0.85,
        asks={
            "modality": "the series that goes on",
            "channels": f"its {count} channels that are predicted, by name",
        },
    )
