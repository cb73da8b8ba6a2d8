"""A mask over its picture."""

import numpy as np

from mmkeras.metrics import classes_of
from mmkeras.reporting import picture

# Colours of the classes, over and over.
COLOURS = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66),
    (0, 114, 178), (213, 94, 0), (204, 121, 167),
)  # fmt: skip


def show(mask, label, output, values):
    """Returns the label and the answer, laid over the picture."""
    grey = _grey(np.asarray(values[mask.modality], float))
    shown = [("label", label), ("answer", classes_of(output))]
    return [
        {"name": name, "text": name, "picture": picture(laid(grey, classes))}
        for name, classes in shown
        if classes is not None
    ]


def _grey(pixels: np.ndarray) -> np.ndarray:
    """Returns a picture of 0 to 255; of a volume the middle slice."""
    if pixels.ndim == 4:
        pixels = pixels[len(pixels) // 2]
    pixels = pixels.mean(axis=-1)
    low, high = pixels.min(), pixels.max()
    return (pixels - low) / max(high - low, 1e-6) * 255


def laid(grey: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Returns `(rows, columns, 3)` with classes in colour over grey."""
    if classes.ndim == 3:
        classes = classes[len(classes) // 2]
    found = np.repeat(grey[..., None], 3, axis=-1)
    for place in range(1, int(classes[classes < 255].max(initial=0)) + 1):
        colour = np.array(COLOURS[(place - 1) % len(COLOURS)])
        here = classes == place
        found[here] = 0.5 * found[here] + 0.5 * colour
    return np.rint(found).clip(0, 255).astype(np.uint8)
