"""How towers of rows learn without labels."""

import keras
from keras import ops

from mmkeras.training.pretext import (
    CellViews,
    Known,
    OneHot,
    Repeat,
    SymLog,
    Unsupervised,
    output_inside,
)


def field(tower, row):
    """Numbers as the tower normalises them, and categories one-hot.

    Those of a tower that does not are `sign(x) log(1 + |x|)`, which needs no
    statistics.
    """
    counts = category_counts(tower)
    numbers = row.shape[-1] - len(counts)
    parts = []
    if numbers:
        filled = output_inside(tower, "FillMissing", row)
        plain = SymLog()(row[:, :numbers]) if filled is None else filled
        parts.append(plain)
    if counts:
        ids = output_inside(tower, "CategoryIds", row)
        parts.append(OneHot(sum(counts))(ids))
    join = keras.layers.Concatenate(dtype="float32")
    values = join(parts) if parts[1:] else parts[0]
    known = Repeat(columns(tower, row))(Known(numbers)(row))
    return ops.expand_dims(values, -1), ops.expand_dims(known, -1)


def columns(tower, row) -> list[int]:
    """Returns how many numbers of the field each column becomes."""
    counts = category_counts(tower)
    return [1] * (row.shape[-1] - len(counts)) + counts


def category_counts(tower: keras.Model) -> list[int]:
    """Returns the categories of each column of indices, the last ones."""
    for layer in tower.layers:
        if type(layer).__name__ == "CategoryIds":
            # Two more: missing and unknown.
            return [size + 2 for size in layer.sizes]
    return []


PRETEXT = Unsupervised(
    views=CellViews,
    fraction=0.3,
    field=field,
    columns=columns,
    gaps=True,
    # Noise with the statistics of a row, of columns in units of their own,
    # would be none.
    hides="zero",
    view_arguments=lambda tower, fill: {
        "gap": "nan" if fill == "nan" else "zero",
        "categories": len(category_counts(tower)),
    },
    recognises=lambda shape, dtype, tokens: (
        len(shape) == 1 and "int" not in dtype and tokens in (1, *shape)
    ),
)
