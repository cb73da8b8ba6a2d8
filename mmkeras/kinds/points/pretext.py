"""How towers of clouds of points learn without labels."""

from mmkeras.training.pretext import (
    CellViews,
    Known,
    Unsupervised,
    output_inside,
)


def field(tower, cloud):
    """Points, normalised and cut by the tower's own layers.

    "masked" hides runs of points, which are neighbours: see `in_order`.
    """
    return output_inside(tower, "FillMissing", cloud), Known()(cloud)


PRETEXT = Unsupervised(
    views=CellViews,
    fraction=0.5,
    field=field,
    gaps=True,
    view_arguments=lambda tower, fill: {
        "gap": "nan" if fill == "nan" else "zero",
        "categories": 0,
    },
)
