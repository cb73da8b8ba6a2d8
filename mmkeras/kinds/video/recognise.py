"""Which columns are films."""

import importlib.util

from mmkeras.data import BadSample, container_of, needs, open_container
from mmkeras.data.files.media import look_through
from mmkeras.spec import Guess, SeenColumn, most, spread

FRAMES, MAX_SIDE = 16, 112


def recognise(column: SeenColumn) -> Guess | None:
    """Opens some of the files, where PyAV is installed."""
    kinds = {name: container_of(raw) for name, raw in column.files.items()}
    if not any(kinds.values()) or not importlib.util.find_spec("av"):
        return None
    av = needs("av", "video")
    sizes, seconds = [], []
    for name, raw in column.files.items():
        try:
            film = look_through(av, raw, kinds[name], name)
            with open_container(av, raw, kinds[name]) as file:
                stream = file.streams.video[0]
                sizes.append((stream.height, stream.width))
        except (BadSample, av.error.FFmpegError):
            continue
        seconds.append(float(film.times[-1] - film.times[0]))
    if 2 * len(sizes) < len(column.files) or not sizes:
        return None
    heights, widths = zip(*sizes, strict=True)
    height, width = most(heights, 0.5), most(widths, 0.5)
    scale = min(1, MAX_SIDE / min(height, width))
    keys = {
        "height": max(1, round(height * scale)),
        "width": max(1, round(width * scale)),
        "frames": FRAMES,
    }
    notes = {
        "height": f"pixels; they have {spread(heights)}",
        "width": f"pixels; they have {spread(widths)}",
        "frames": f"spread over each film; they last {spread(seconds, 1)} s",
    }
    why = f"{len(sizes)} of {len(column.files)} opened are films"
    return Guess(keys, why, 0.97, notes)
