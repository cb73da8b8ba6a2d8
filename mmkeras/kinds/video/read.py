"""Films to `(frames, height, width, channels)` uint8."""

from collections.abc import Mapping

import numpy as np

from mmkeras.data import (
    BadSample,
    Geometry,
    Reason,
    SampleIO,
    container_of,
    geometry_of,
    guarded,
    is_cut,
    needs,
    shares,
    whole_moments,
    whole_sums,
)
from mmkeras.data.files.media import (
    Damaged,
    Film,
    frames_of,
    look_through,
    try_all,
)
from mmkeras.kinds.image.read import resize
from mmkeras.kinds.video import Video
from mmkeras.spec import Sample


def read(modality: Video, cells: Mapping[str, str], io: SampleIO) -> Sample:
    """Reads the file of a cell."""
    path = cells[modality.column]
    return Sample(*_decoded(modality, io.bytes(path), path))


def sums(modality: Video, value: np.ndarray) -> dict:
    """Returns sums a channel."""
    return whole_sums(value)


def finish(modality: Video, found: dict | None) -> dict:
    """Returns `mean` and `std` a channel, of x / 255."""
    mean, std = whole_moments(found, modality.channels, scale=255)
    return {"mean": mean, "std": std}


def tell(modality: Video, notes: Mapping[str, int], samples: int) -> list[str]:
    """Returns what was lost or repeated, as sentences."""
    parts = {
        "frames_repeated": (modality.frames, "frames"),
        "frames_lost": (0, "frames"),
    }
    return shares(notes, samples, parts)


def decode(
    modality: Video, raw: bytes, name: str
) -> tuple[np.ndarray, dict[str, int]]:
    """Decodes a film to `(frames, height, width, channels)` uint8.

    In this order: the first stream of pictures; the frames that
    `modality.sampling` asks for, by their times; each turned upright by its
    display matrix; to RGB, and grey as (299 R + 587 G + 114 B) / 1000; then
    `modality.resize`, bilinear with antialiasing as Pillow does it.

    What decodes counts: frames that a header promises and the file lacks, or
    that are damaged, are left out, with those after them up to the next that
    needs no other.

    Args:
        modality: The wanted frames and size.
        raw: The file's bytes; what they hold says their format.
        name: Its name, for messages.

    Returns:
        The frames, and what was lost or repeated, counted.

    Raises:
        BadSample: With the reason, if the film is broken or too large.
    """
    return _decoded(modality, raw, name)[:2]


def _decoded(
    modality: Video, raw: bytes, name: str
) -> tuple[np.ndarray, dict[str, int], Geometry]:
    """As `decode`, and where the pixels of all frames came to lie."""
    av = needs("av", "video")
    kind = container_of(raw)
    if kind == "mp4" and is_cut(raw):
        raise BadSample(Reason.TRUNCATED, f"{name!r}: its last box is cut")
    with guarded(Reason.CORRUPT, repr(name)):
        film = look_through(av, raw, kind, name)
        _check_share(modality, film, Reason.TRUNCATED, name)
        try:
            wanted = choose(modality, film.times)
            found = _pictures(av, modality, film, wanted, name)
        except Damaged:
            film = try_all(av, film)
            _check_share(modality, film, Reason.CORRUPT, name)
            wanted = choose(modality, film.times)
            found = _pictures(av, modality, film, wanted, name)
    notes = {"frames_lost": film.lost} if film.lost else {}
    repeated = len(wanted) - len(set(wanted))
    notes |= {"frames_repeated": repeated} if repeated else {}
    pixels = np.stack([found[number][0] for number in wanted])
    return pixels, notes, found[wanted[0]][1]


def choose(modality: Video, times: np.ndarray) -> list[int]:
    """Returns which frames of a film become the sample, in order.

    Args:
        modality: The rule.
        times: `(frames,)` seconds of every frame of the film, increasing.
    """
    wanted = np.arange(modality.frames)
    start, step = times[0], 1 / (modality.frame_rate_hz or 1)
    if modality.sampling == "uniform":
        # The last frame is shown as long as frames are on average.
        shown = (times[-1] - start) / max(1, len(times) - 1)
        step = (times[-1] - start + shown) / modality.frames
        # Of a frame that is shown, the time is that of its start.
        asked = start + (wanted + 0.5) * step
        found = np.searchsorted(times, asked + 1e-6, side="right") - 1
        return np.maximum(found, 0).tolist()
    if modality.sampling == "center":
        spare = times[-1] - start - step * (modality.frames - 1)
        start += max(0.0, spare) / 2
    asked = start + step * wanted
    right = np.clip(np.searchsorted(times, asked), 1, max(1, len(times) - 1))
    right = np.minimum(right, len(times) - 1)
    left = np.maximum(right - 1, 0)
    # Of two as near the first, whatever the last digit of their times.
    nearer = asked - times[left] <= times[right] - asked + 1e-6
    return np.where(nearer, left, right).tolist()


def _check_share(
    modality: Video, film: Film, reason: Reason, name: str
) -> None:
    count = len(film.times)
    if not count or count < modality.min_decoded * (count + film.lost):
        raise BadSample(
            reason, f"{name!r}: {count} of {count + film.lost} frames"
        )


def _pictures(
    av, modality: Video, film: Film, wanted: list[int], name: str
) -> dict[int, tuple[np.ndarray, Geometry]]:
    """Returns the wanted frames by number; stops at the last of them."""
    found, left = {}, set(wanted)
    for number, frame in enumerate(frames_of(av, film)):
        if number in left:
            found[number] = _picture(modality, frame, name)
            left.remove(number)
        if not left:
            return found
    raise Damaged


def _picture(modality: Video, frame, name: str) -> tuple[np.ndarray, Geometry]:
    picture = frame.to_image()
    if frame.rotation:
        # Both count counterclockwise.
        picture = picture.rotate(frame.rotation, expand=True)
    picture = picture.convert("L" if modality.channels == 1 else "RGB")
    size = modality.width, modality.height
    geometry = geometry_of(picture.size, size, modality.resize)
    value = np.asarray(resize(modality, picture, name))
    return value.reshape(modality.shape[1:]), geometry
