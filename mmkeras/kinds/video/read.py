"""Films to `(frames, height, width, channels)` uint8."""

import struct
from collections.abc import Mapping
from io import BytesIO

import numpy as np

from mmkeras.data import (
    BadSample,
    Reason,
    SampleIO,
    check_suffix,
    guarded,
    needs,
    whole_moments,
    whole_sums,
)
from mmkeras.kinds.image.read import resize
from mmkeras.kinds.video import Video
from mmkeras.spec import Sample

MAX_PIXELS = 9_000_000
MAX_FRAMES = 36_000
MAX_FILM_PIXELS = 50_000_000_000
# By FFmpeg's name. It must not guess: a playlist names other files.
FORMATS = {
    ".mp4": "mp4", ".m4v": "mp4", ".mov": "mp4",
    ".mkv": "matroska", ".webm": "matroska", ".avi": "avi",
}  # fmt: skip
CODECS = (
    "av1", "ffv1", "h264", "hevc", "libdav1d", "mjpeg", "mpeg1video",
    "mpeg2video", "mpeg4", "vp8", "vp9",
)  # fmt: skip
STARTS = {
    "mp4": (4, (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")),
    "matroska": (0, (b"\x1a\x45\xdf\xa3",)),
    "avi": (8, (b"AVI ",)),
}


def read(modality: Video, cells: Mapping[str, str], io: SampleIO) -> Sample:
    """Reads the file of a cell."""
    path = cells[modality.column]
    return Sample(decode(modality, io.bytes(path), path))


def sums(modality: Video, value: np.ndarray) -> dict:
    """Returns sums a channel."""
    return whole_sums(value)


def finish(modality: Video, found: dict | None) -> dict:
    """Returns `mean` and `std` a channel, of x / 255."""
    mean, std = whole_moments(found, modality.channels, scale=255)
    return {"mean": mean, "std": std}


def decode(modality: Video, raw: bytes, name: str) -> np.ndarray:
    """Decodes a film to `(frames, height, width, channels)` uint8.

    In this order: the first stream of pictures; the frames that
    `modality.sampling` asks for, by their times; each turned upright by its
    display matrix; to RGB, and grey as (299 R + 587 G + 114 B) / 1000; then
    `modality.resize`, bilinear with antialiasing as Pillow does it.

    Args:
        modality: The wanted frames and size.
        raw: The file's bytes.
        name: Its name; the suffix must fit the format.

    Raises:
        BadSample: With the reason, if the film is broken or too large.
    """
    av = needs("av", "video")
    kind = check_suffix(name, FORMATS)
    place, starts = STARTS[kind]
    if raw[place : place + 4] not in starts:
        raise BadSample(Reason.WRONG_FORMAT, f"{name!r} is no {kind} file")
    if kind == "mp4" and _is_cut(raw):
        raise BadSample(Reason.TRUNCATED, f"{name!r}: its last box is cut")
    with guarded(Reason.CORRUPT, repr(name)):
        wanted = choose(modality, _frame_times(av, raw, kind, name))
        frames = _decode(av, modality, raw, kind, name, wanted)
    return np.stack([frames[number] for number in wanted])


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


def _is_cut(raw: bytes) -> bool:
    """Returns whether a box of an MP4 promises more than the file has."""
    at = 0
    while at + 16 <= len(raw):
        size, _, long_size = struct.unpack_from(">L4sQ", raw, at)
        size = long_size if size == 1 else size
        if size < 8:
            return False  # the rest of the file, or damage
        at += size
    return at > len(raw)


def _open(av, raw: bytes, kind: str):
    # FFmpeg is told the format, and opens nothing but these bytes.
    return av.open(
        BytesIO(raw),
        format=kind,
        options={"max_pixels": str(MAX_PIXELS), "protocol_whitelist": "none"},
        metadata_errors="replace",
    )


def _frame_times(av, raw: bytes, kind: str, name: str) -> np.ndarray:
    """Returns the time of every frame in seconds; decodes none."""
    with _open(av, raw, kind) as film:
        if not film.streams.video:
            raise BadSample(Reason.EMPTY, f"{name!r}: no pictures")
        stream = film.streams.video[0]
        times, count, end = [], 0, 0.0
        for packet in film.demux():
            when = packet.dts if packet.pts is None else packet.pts
            if packet.size and packet.stream == stream:
                count += 1
                # Before the start that an edit list sets: never shown.
                if not packet.is_discard:
                    times.append(len(times) if when is None else when)
            if when is not None:
                spent = when + (packet.duration or 0)
                end = max(end, float(spent * packet.time_base))
            if count > MAX_FRAMES:
                break
        _check_stream(stream, count if times else 0, name)
        length = (film.duration or 0) / av.time_base
        begin = (film.start_time or 0) / av.time_base
        if end - begin < 0.97 * length:
            raise BadSample(
                Reason.TRUNCATED, f"{name!r}: {end:.2f} of {length:.2f} s"
            )
        return np.sort(np.array(times, float)) * float(stream.time_base)


def _check_stream(stream, count: int, name: str) -> None:
    coded = stream.codec_context
    size = coded.width * coded.height
    if coded.name not in CODECS:
        raise BadSample(Reason.WRONG_FORMAT, f"{name!r}: {coded.name}")
    if size <= 0:
        # FFmpeg gives no size to pictures above `max_pixels` either.
        raise BadSample(
            Reason.BAD_HEADER, f"{name!r}: no size, or above {MAX_PIXELS:,}"
        )
    large = count * size > MAX_FILM_PIXELS
    if size > MAX_PIXELS or count > MAX_FRAMES or large:
        raise BadSample(
            Reason.TOO_LARGE,
            f"{name!r}: {coded.width}x{coded.height}, {count:,} frames, at "
            f"most {MAX_PIXELS:,} pixels and {MAX_FRAMES:,} frames",
        )
    if not count:
        raise BadSample(Reason.EMPTY, f"{name!r}: no frames")
    if count < stream.frames:
        raise BadSample(
            Reason.TRUNCATED, f"{name!r}: {count} of {stream.frames} frames"
        )


def _decode(
    av, modality: Video, raw: bytes, kind: str, name: str, wanted: list[int]
) -> dict[int, np.ndarray]:
    """Returns the wanted frames by number; stops at the last of them."""
    found, left = {}, set(wanted)
    with _open(av, raw, kind) as film:
        stream = film.streams.video[0]
        for number, frame in enumerate(film.decode(stream)):
            if frame.is_corrupt:
                raise BadSample(Reason.CORRUPT, f"{name!r}: frame {number}")
            if number in left:
                found[number] = _picture(modality, frame, name)
                left.remove(number)
            if not left:
                return found
    raise BadSample(
        Reason.TRUNCATED, f"{name!r}: no frame {min(left)} of {max(wanted) + 1}"
    )


def _picture(modality: Video, frame, name: str) -> np.ndarray:
    picture = frame.to_image()
    if frame.rotation:
        # Both count counterclockwise.
        picture = picture.rotate(frame.rotation, expand=True)
    picture = picture.convert("L" if modality.channels == 1 else "RGB")
    return np.asarray(resize(modality, picture, name)).reshape(
        modality.shape[1:]
    )
