"""Arrays in .mat files of MATLAB 4 to 7."""

import struct
import zlib
from collections.abc import Sequence
from io import BytesIO

import numpy as np

from mmkeras.data.files.reasons import BadSample, Reason, guarded
from mmkeras.data.files.resampling import MAX_VALUES, check_size
from mmkeras.data.files.signals.array_files import channels_of
from mmkeras.data.files.signals.recording import Signals

MAX_BYTES = 8 * MAX_VALUES
NUMBERS = {
    "double", "single", "int8", "uint8", "int16", "uint16", "int32", "uint32",
    "int64", "uint64", "logical",
}  # fmt: skip
COMPRESSED = 15


def read_mat(
    raw: bytes,
    name: str,
    channels: Sequence[str],
    array: str | None,
    time: str | None,
) -> tuple[Signals, np.ndarray | None]:
    """Reads arrays of a .mat, and that of its times, as `read_npz` does."""
    from scipy.io import loadmat, whosmat

    if raw.startswith(b"MATLAB 7.3") or raw[512:520] == b"\x89HDF\r\n\x1a\n":
        raise BadSample(
            Reason.WRONG_FORMAT,
            f"{name!r} is MATLAB 7.3, which is HDF5; save it with -v7",
        )
    with guarded(Reason.CORRUPT, repr(name)):
        _check_unpacked(raw, name)
        there = {
            key: shape
            for key, shape, kind in whosmat(BytesIO(raw))
            if kind in NUMBERS
        }
        wanted = [array] if array else list(channels)
        if not array and not set(channels) <= set(there):
            wanted = _most_likely(there, len(channels), time)
        asked = [key for key in (*wanted, time) if key in there]
        for key in asked:
            check_size(float(np.prod(there[key], dtype=float)), name)
        found = loadmat(BytesIO(raw), variable_names=asked)
        arrays = {key: found[key] for key in asked}
        for value in arrays.values():
            if (
                not isinstance(value, np.ndarray)
                or value.dtype.kind not in "fiu"
            ):
                raise BadSample(Reason.BAD_HEADER, f"{name!r}: no numbers")
    return channels_of(arrays, name, channels, time)


def _most_likely(there: dict, count: int, time: str | None) -> list[str]:
    """Returns the only array that has so many channels, beside settings."""
    fit = [k for k, shape in there.items() if count in shape and k != time]
    long = [k for k in fit if np.prod(there[k]) > count]
    found = long if len(long) == 1 else fit
    return found if len(found) == 1 else []


def _check_unpacked(raw: bytes, name: str) -> None:
    """Refuses a file whose compressed parts unpack to too much."""
    if not raw.startswith(b"MATLAB"):
        return  # MATLAB 4 compresses nothing
    order, place, total = "<" if raw[126:128] == b"IM" else ">", 128, 0
    while place + 8 <= len(raw):
        kind, size = struct.unpack_from(f"{order}II", raw, place)
        part = raw[place + 8 : place + 8 + size]
        if kind == COMPRESSED:
            unpack = zlib.decompressobj()
            while part and not unpack.eof:
                total += len(unpack.decompress(part, 2**20))
                part = unpack.unconsumed_tail
                if total > MAX_BYTES:
                    raise BadSample(
                        Reason.TOO_LARGE,
                        f"{name!r}: unpacks to more than {MAX_BYTES:,} bytes",
                    )
        if size > len(raw) - place - 8:
            raise BadSample(Reason.TRUNCATED, f"{name!r}: its end is missing")
        place += 8 + size
