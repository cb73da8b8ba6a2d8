"""Arrays in .npy and .npz files, read without trust in their headers."""

import io
import zipfile
from collections.abc import Mapping, Sequence

import numpy as np

from mmkeras.data.files.arrays import read_npy_header
from mmkeras.data.files.reasons import BadSample, Reason, guarded
from mmkeras.data.files.resampling import check_size
from mmkeras.data.files.signals.recording import Signals

MAX_MEMBERS = 1024
# Of an .npy file's header, the largest that NumPy reads.
MAX_HEADER_BYTES = 2**16


def read_npy(raw: bytes, name: str, channels: int) -> Signals:
    """Reads `(steps, channels)`, or `(steps,)` for one channel."""
    array = _array(raw, name)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or array.shape[1] != channels:
        raise BadSample(
            Reason.BAD_HEADER,
            f"{name!r}: {array.dtype} of shape {array.shape}, not (steps, "
            f"{channels})",
        )
    check_size(array.size, name)
    return Signals(array)


def read_npz(
    raw: bytes,
    name: str,
    channels: Sequence[str],
    array: str | None,
    time: str | None,
) -> tuple[Signals, np.ndarray | None]:
    """Reads arrays of an .npz, and that of its times.

    Args:
        raw: The file's bytes.
        name: Its name, for messages.
        channels: Names of the channels; see `channels_of`.
        array: Name of the array that has them all; None: found.
        time: Name of the array of times; None: there is none.
    """
    with (
        guarded(Reason.CORRUPT, repr(name)),
        zipfile.ZipFile(io.BytesIO(raw)) as file,
    ):
        members = {
            one.filename.removesuffix(".npy"): one
            for one in file.infolist()[: MAX_MEMBERS + 1]
            if one.filename.endswith(".npy")
        }
        if len(members) > MAX_MEMBERS:
            raise BadSample(Reason.BAD_HEADER, f"{name!r}: too many arrays")

        def load(key: str) -> np.ndarray:
            return _member(file, members[key], f"{name}: {key}")

        asked = _asked(members, channels, array, time)
        return channels_of({k: load(k) for k in asked}, name, channels, time)


def _asked(members, channels, array, time) -> list[str]:
    wanted = [array] if array else list(channels)
    if not array and not set(channels) <= set(members):
        wanted = [key for key in members if key != time]
        # More than one might be meant.
        wanted = wanted if len(wanted) == 1 else []
    return [key for key in (*wanted, time) if key in members]


def channels_of(
    arrays: Mapping[str, np.ndarray],
    name: str,
    channels: Sequence[str],
    time: str | None,
) -> tuple[Signals, np.ndarray | None]:
    """Puts channels together from one array a channel, or one of all.

    An array `(channels, steps)`, as MATLAB's users write it, is turned and
    counted, unless it could be either.

    Returns:
        The channels, and the array of times; None where none is asked for.
    """
    arrays, times = dict(arrays), None
    if time is not None:
        if time not in arrays:
            detail = f"{name!r}: no array {time[:80]!r}"
            raise BadSample(Reason.BAD_HEADER, detail)
        times = np.ravel(arrays.pop(time))
    notes = {}
    if set(channels) <= set(arrays):
        columns = [np.ravel(arrays[channel]) for channel in channels]
        if len({len(column) for column in columns}) > 1:
            raise BadSample(
                Reason.BAD_HEADER, f"{name!r}: channels of several lengths"
            )
        values = np.stack(columns, axis=1)
    elif len(arrays) == 1:
        values = np.squeeze(next(iter(arrays.values())))
        values = values[:, None] if values.ndim == 1 else values
        count = len(channels)
        if values.ndim == 2 and values.shape[1] != count == values.shape[0]:
            values, notes["transposed"] = values.T, 1
        if values.ndim != 2 or values.shape[1] != count:
            raise BadSample(
                Reason.BAD_HEADER,
                f"{name!r}: an array of shape {values.shape}, not (steps, "
                f"{count})",
            )
    else:
        raise BadSample(
            Reason.BAD_HEADER,
            f"{name!r}: neither an array a channel nor one of all; `array` "
            "names it",
        )
    check_size(values.size, name)
    if times is not None and len(times) != len(values):
        raise BadSample(
            Reason.BAD_HEADER,
            f"{name!r}: {len(times):,} times of {len(values):,} steps",
        )
    return Signals(values, notes=notes), times


def _member(file: zipfile.ZipFile, info, name: str) -> np.ndarray:
    with file.open(info) as member:
        head = member.read(MAX_HEADER_BYTES)
        shape, _, dtype = _header(io.BytesIO(head), name)
        check_size(float(np.prod(shape, dtype=float)), name)
        # Not by what the zip's own header promises, which may be a bomb.
        needed = int(np.prod(shape)) * dtype.itemsize
        return _array(head + member.read(needed), name)


def _header(file: io.BytesIO, name: str) -> tuple[tuple, bool, np.dtype]:
    try:
        shape, by_columns, dtype = read_npy_header(file)
    except (ValueError, KeyError, EOFError, SyntaxError) as error:
        kind = type(error).__name__
        raise BadSample(Reason.WRONG_FORMAT, f"{name!r}: {kind}") from None
    if dtype.kind not in "fiuM" or len(shape) > 3 or any(n < 0 for n in shape):
        raise BadSample(
            Reason.BAD_HEADER, f"{name!r}: {dtype} of shape {shape}"
        )
    return shape, by_columns, dtype


def _array(raw: bytes, name: str) -> np.ndarray:
    file = io.BytesIO(raw)
    shape, by_columns, dtype = _header(file, name)
    count = float(np.prod(shape, dtype=float))
    check_size(count, name)
    if len(raw) - file.tell() < count * dtype.itemsize:
        raise BadSample(
            Reason.TRUNCATED,
            f"{name!r}: {len(raw) - file.tell():,} bytes of shape {shape}",
        )
    values = np.frombuffer(raw, dtype, int(count), file.tell())
    return values.reshape(shape, order="F" if by_columns else "C")
