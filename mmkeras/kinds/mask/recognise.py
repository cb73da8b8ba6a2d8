"""Which columns are masks: files of pictures that have few values."""

import numpy as np

from mmkeras.data import BadSample
from mmkeras.kinds.mask.read import WHITE, grey_of
from mmkeras.spec import Guess, SeenColumn

# More different values are a picture.
MAX_VALUES = 20


def recognise(column: SeenColumn) -> Guess | None:
    """Opens some of the files, and counts what values they hold."""
    values: set[int] = set()
    for name, raw in column.files.items():
        try:
            found = grey_of(raw, name, 2)
        except BadSample:
            return None
        values |= {*np.unique(found).tolist()}
        if len(values) > MAX_VALUES:
            return None
    marked = sorted(values - {0})
    if not marked or 0 not in values:
        return None
    keys: dict = {"classes": [f"class_{value}" for value in marked]}
    if marked not in ([1], [WHITE]):
        keys["values"] = marked
    told = ", ".join(map(str, sorted(values)))
    return Guess(
        keys,
        f"{len(column.files)} opened are pictures of the values {told}",
        0.96,
        {"classes": "what each value stands for is not in the files"},
        asks={"modality": "the image or volume that is marked"},
    )
