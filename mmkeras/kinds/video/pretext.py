"""How towers of clips learn without labels."""

import keras

from mmkeras.training.pretext import (
    PictureViews,
    Shrink,
    Unsupervised,
    standardised,
)

# Pixels along a side of a frame, at most.
FRAME = 16


def field(tower, frames):
    """Frames, each shrunk and laid out as one row."""
    count = frames.shape[1]
    values = Shrink((count, FRAME, FRAME))(frames)
    row = keras.layers.Reshape((count, -1), dtype="float32")
    return standardised(row(values))


PRETEXT = Unsupervised(
    views=PictureViews,
    fraction=0.4,
    field=field,
    ordered=True,
    recognises=lambda shape, dtype, tokens: (
        len(shape) == 4 and dtype == "uint8"
    ),
)
