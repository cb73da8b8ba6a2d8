"""Charts, thumbnails and page templates for every report."""

from mmkeras.reporting.thumbnails import (
    MAX_LETTERS,
    MAX_LINES,
    band,
    film_strip,
    framed,
    lines,
    numbers,
    picture,
    shortened,
    waveform,
)

__all__ = [
    "MAX_LETTERS",
    "MAX_LINES",
    "band",
    "film_strip",
    "framed",
    "lines",
    "numbers",
    "picture",
    "shortened",
    "waveform",
]
