"""Films in memory as files without loss."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np

from mmkeras.data import container_of, kept_file, needs
from mmkeras.kinds.video import Video

# Of arrays, which have no times: what "uniform" takes does not depend on it.
RATE_HZ = 25
SUFFIXES = {"mp4": ".mp4", "matroska": ".mkv", "avi": ".avi", "flv": ".flv",
            "asf": ".wmv", "mpegts": ".ts", "mpeg": ".mpg"}  # fmt: skip


def cell(
    modality: Video, column: str, value: Any, keep: Callable[[str, bytes], str]
) -> str:
    """Returns the path of a film: bytes of a file, or an array.

    An array is `(frames, height, width)` or `(frames, height, width, 3)`
    uint8, at `frame_rate_hz` of the spec where it has one.
    """
    found = kept_file(value, keep, suffix_of)
    if found is not None:
        return found
    array = np.asarray(value)
    if array.ndim == 3:
        array = array[..., None]
    if (
        array.dtype != np.uint8
        or array.ndim != 4
        or array.shape[3] not in (1, 3)
    ):
        raise ValueError(
            "an array must be (frames, height, width, channels) of uint8; it "
            f"is {array.shape} of {array.dtype}"
        )
    return keep(".mkv", film(array, modality.frame_rate_hz or RATE_HZ))


def suffix_of(raw: bytes) -> str:
    """Returns the suffix of a film's container."""
    return SUFFIXES.get(container_of(raw), ".mkv")


def film(array: np.ndarray, rate_hz: float) -> bytes:
    """Returns frames as an FFV1 film, which loses nothing."""
    import fractions

    av = needs("av", "video")
    file = io.BytesIO()
    array = np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:3], 3)))
    with av.open(file, "w", format="matroska") as container:
        rate = fractions.Fraction(rate_hz).limit_denominator(1000)
        stream = container.add_stream("ffv1", rate=rate)
        stream.height, stream.width = array.shape[1:3]
        stream.pix_fmt = "bgr0"
        for picture in array:
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()
