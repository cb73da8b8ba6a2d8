"""How towers of sensor data learn without labels."""

from mmkeras.training.pretext import (
    CellViews,
    Known,
    SymLog,
    Unsupervised,
    output_inside,
)


def field(tower, steps):
    """Steps, normalised and cut by the tower's own layers.

    Those of a tower that does not are `sign(x) log(1 + |x|)`, which needs no
    statistics.
    """
    filled = output_inside(tower, "FillMissing", steps)
    return SymLog()(steps) if filled is None else filled, Known()(steps)


PRETEXT = Unsupervised(
    views=CellViews,
    fraction=0.4,
    field=field,
    gaps=True,
    ordered=True,
    view_arguments=lambda tower, fill: {
        "gap": "nan" if fill == "nan" else "zero",
        "categories": 0,
    },
    recognises=lambda shape, dtype, tokens: (
        len(shape) == 2 and dtype != "uint8"
    ),
)
