"""Which frames of a film there are, and the frames, by PyAV."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from mmkeras.data.files.media.containers import open_container
from mmkeras.data.files.reasons import BadSample, Reason

MAX_PIXELS = 9_000_000
MAX_FRAMES = 36_000
MAX_FILM_PIXELS = 50_000_000_000
# With those whose header tells how long the film is.
CONTAINERS = {
    "mp4": True, "matroska": True, "avi": True, "asf": True, "flv": True,
    "ogg": False, "mpeg": False, "mpegts": False, "mpegvideo": False,
}  # fmt: skip
DECODERS = (
    "av1", "dvvideo", "ffv1", "flv", "h263", "h264", "hevc", "libdav1d",
    "mjpeg", "mpeg1video", "mpeg2video", "mpeg4", "msmpeg4", "msmpeg4v1",
    "msmpeg4v2", "msmpeg4v3", "theora", "vc1", "vp6", "vp6f", "vp8", "vp9",
    "wmv1", "wmv2", "wmv3",
)  # fmt: skip


class Damaged(Exception):
    """A frame does not decode, or is not where it was looked for."""


@dataclasses.dataclass(frozen=True)
class Film:
    """The frames of a film, before most of them are decoded.

    Args:
        raw: The file's bytes.
        kind: FFmpeg's name of the container.
        times: `(frames,)` seconds of each frame, increasing.
        lost: Frames that the header promises, or the file holds, and that are
            not there.
        tolerant: Whether what does not decode is passed over.
    """

    raw: bytes
    kind: str
    times: np.ndarray
    lost: int = 0
    tolerant: bool = False


def look_through(av, raw: bytes, kind: str | None, name: str) -> Film:
    """Returns what the packets of a film say; decodes none.

    Raises:
        BadSample: If it is of an unknown format, too large or empty.
    """
    if kind not in CONTAINERS:
        raise BadSample(Reason.WRONG_FORMAT, f"{name!r} is no film")
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
        seconds = np.sort(np.array(times, float)) * float(stream.time_base)
        promised = stream.frames
        if CONTAINERS[kind]:
            length = _length(av, film)
            # Some packets tell no duration.
            last = seconds[-1] + np.ptp(seconds) / max(1, len(seconds) - 1)
            end = max(end, last)
            # Lengths are rounded.
            if 0 < end < 0.97 * length:
                promised = max(promised, round(count * length / end))
        return Film(raw, kind, seconds, max(0, promised - count))


def try_all(av, film: Film) -> Film:
    """Returns what decodes of a film, which is seen by decoding it all."""
    film = dataclasses.replace(film, tolerant=True)
    times = [frame.time for frame in frames_of(av, film)]
    if None in times:
        # Without times of their own they are evenly apart.
        step = (film.times[-1] - film.times[0]) / max(1, len(film.times) - 1)
        times = film.times[0] + step * np.arange(len(times))
    lost = film.lost + max(0, len(film.times) - len(times))
    times = np.maximum.accumulate(np.array(times, float))
    return dataclasses.replace(film, times=times, lost=lost)


def frames_of(av, film: Film) -> Iterator:
    """Yields the frames of a film, as numbered by `film.times`.

    Where it is tolerant, a damaged frame is passed over with those that are
    built on it, up to the next key frame.

    Raises:
        Damaged: If it is not tolerant, and a frame does not decode or has
            another time.
    """
    with _open(av, film.raw, film.kind) as file:
        number, built_on_damage = 0, False
        stream = file.streams.video[0]
        for packet in file.demux(stream):
            if not packet.size and packet.dts is not None:
                continue  # a frame left out; taken for the end, it ends all
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                _must(film.tolerant)
                built_on_damage = True
                continue
            for frame in frames:
                if frame.is_corrupt:
                    _must(film.tolerant)
                    built_on_damage = True
                    continue
                built_on_damage &= not frame.key_frame
                if not built_on_damage:
                    _must(film.tolerant or _is_at(film, number, frame))
                    yield frame
                    number += 1


def _must(holds: bool) -> None:
    if not holds:
        raise Damaged


def _is_at(film: Film, number: int, frame) -> bool:
    """Whether a frame has the time of its number, where it has a time."""
    if number >= len(film.times):
        return False
    if frame.pts is None or len(film.times) < 2:
        return True
    step = (film.times[-1] - film.times[0]) / (len(film.times) - 1)
    return abs(frame.time - film.times[number]) <= 0.5 * step


def _open(av, raw: bytes, kind: str):
    return open_container(av, raw, kind, max_pixels=str(MAX_PIXELS))


def _length(av, film) -> float:
    """Returns the time in seconds at which a film ends by its header."""
    length = (film.duration or 0) / av.time_base
    begin = (film.start_time or 0) / av.time_base
    # Some count from zero and some from the first frame.
    return length if begin < length else begin + length


def _check_stream(stream, count: int, name: str) -> None:
    coded = stream.codec_context
    size = coded.width * coded.height
    if coded.name not in DECODERS:
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
