"""The look of pages: what they show, whatever it is of."""

from mmkeras.reporting.thumbnails import (
    MAX_LETTERS,
    MAX_LINES,
    film_strip,
    lines,
    numbers,
    picture,
    shortened,
    waveform,
)

__all__ = [
    "MAX_LETTERS",
    "MAX_LINES",
    "film_strip",
    "lines",
    "numbers",
    "picture",
    "shortened",
    "waveform",
]
