"""How towers of images learn without labels."""

from mmkeras.training.pretext import (
    PictureViews,
    Unsupervised,
    standardised,
)


def field(tower, pixels):
    return standardised(pixels)


PRETEXT = Unsupervised(
    views=PictureViews,
    fraction=0.6,
    field=field,
    recognises=lambda shape, dtype, tokens: len(shape) == 3,
)
