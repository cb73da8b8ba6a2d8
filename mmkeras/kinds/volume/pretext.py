"""How towers of scans learn without labels."""

from mmkeras.training.pretext import (
    PictureViews,
    Unsupervised,
    standardised,
)


def field(tower, voxels):
    return standardised(voxels)


PRETEXT = Unsupervised(
    views=PictureViews,
    fraction=0.6,
    field=field,
    recognises=lambda shape, dtype, tokens: (
        len(shape) == 4 and dtype != "uint8"
    ),
)
