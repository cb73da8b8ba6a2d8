"""One DICOM file to a picture: a radiograph, an ultrasound, a photograph."""

import warnings
from typing import Any

import numpy as np

from mmkeras.data.files.dicom_files import GROUPS, frame_value, open_dicom
from mmkeras.data.files.dicom_pixels import read_colour, read_frames
from mmkeras.data.files.extras import needs
from mmkeras.data.files.memory import check_memory
from mmkeras.data.files.pictures import MAX_PIXELS
from mmkeras.data.files.reasons import BadSample, Reason, guarded

OF_VALUES = (
    "RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth",
    "VOILUTFunction",
)  # fmt: skip


def read_plane(
    raw: bytes, name: str, window: tuple[float, float] | None
) -> tuple[np.ndarray, dict[str, int]]:
    """Reads a picture as a radiologist sees it: through a window.

    In this order: the first frame; the file's slope and intercept, or its
    table; `window`, or that of the file, or from its least to its largest
    value; MONOCHROME1 turned, so that more is brighter.

    Args:
        raw: The file's bytes.
        name: Its name, for messages.
        window: The values that become black and white.

    Returns:
        `(height, width)` uint8, with an axis of 3 in colour, and what was
        altered or chosen.

    Raises:
        BadSample: With the reason. It never holds a value of the header.
    """
    needs("pydicom", "medical")
    where = repr(name)
    with warnings.catch_warnings():
        # They may quote the value that they warn of.
        warnings.simplefilter("ignore")
        with guarded(Reason.BAD_HEADER, where):
            return _read(raw, where, window)


def _read(
    raw: bytes, where: str, window: tuple[float, float] | None
) -> tuple[np.ndarray, dict[str, int]]:
    from pydicom import pixels

    file = open_dicom(raw, where)
    tags, (frames, rows, columns) = file.tags, file.shape
    if file.is_mosaic:
        detail = f"{where}: a mosaic of slices, which is a volume"
        raise BadSample(Reason.WRONG_FORMAT, detail)
    if rows * columns > MAX_PIXELS:
        detail = f"{where}: {columns}x{rows}, at most {MAX_PIXELS:,} pixels"
        raise BadSample(Reason.TOO_LARGE, detail)
    check_memory(4 * rows * columns * file.samples, where)
    notes = {"first_frame_only": int(frames > 1)}
    if file.samples == 3:
        return _bright(read_colour(file), tags.BitsStored, notes)
    plane = read_frames(file)[0]
    meaning = tags.get("PhotometricInterpretation")
    if meaning == "PALETTE COLOR":
        colours = pixels.apply_color_lut(plane, tags)
        return _bright(colours[..., :3], 8 * colours.itemsize, notes)
    if meaning not in ("MONOCHROME1", "MONOCHROME2", None):
        detail = f"{where}: neither grey, RGB, YBR nor a palette"
        raise BadSample(Reason.WRONG_FORMAT, detail)
    for key in OF_VALUES:
        value = frame_value(tags, 0, key)
        if value is not None and key in GROUPS:
            setattr(tags, key, value)
    shades, chosen = _windowed(tags, plane, window)
    if not np.isfinite(shades).all():
        raise BadSample(Reason.NOT_FINITE, where)
    shades = 1 - shades if meaning == "MONOCHROME1" else shades
    return np.rint(shades * 255).astype(np.uint8), {**notes, **chosen}


def _bright(
    colours: np.ndarray, bits: int, notes: dict[str, int]
) -> tuple[np.ndarray, dict[str, int]]:
    """Returns colours in 8 bits, the highest of those there are."""
    more = max(0, bits - 8)
    reduced = {**notes, "reduced_to_8_bit": int(more > 0)}
    return (colours >> more).astype(np.uint8), reduced


def _windowed(
    tags: Any, plane: np.ndarray, window: tuple[float, float] | None
) -> tuple[np.ndarray, dict[str, int]]:
    """Returns shades from 0 to 1, and whose window it was."""
    from pydicom import pixels

    values = pixels.apply_modality_lut(plane, tags)
    chosen = {}
    if window is not None:
        low, high = window
    elif "VOILUTSequence" in tags or "WindowCenter" in tags:
        values, (low, high) = _as_file_says(tags, values)
        chosen = {"window_of_file": 1}
    else:
        low, high = float(values.min()), float(values.max())
        chosen = {"window_of_values": 1}
    span = float(high) - float(low) or 1.0
    return np.clip((values - float(low)) / span, 0, 1), chosen


def _as_file_says(
    tags: Any, values: np.ndarray
) -> tuple[np.ndarray, tuple[float, float]]:
    """Applies the window of a file; returns its values and their ends."""
    from pydicom import pixels

    if tags.get("VOILUTSequence"):
        # A table is looked up by whole numbers.
        found = pixels.apply_voi(np.rint(values).astype(np.int32), tags)
        bits = int(tags.VOILUTSequence[0].LUTDescriptor[2])
        return found, (0, 2**bits - 1)
    found = pixels.apply_windowing(values, tags)
    # Where everything lies outside, it is at an end.
    return found, tuple(pixels.apply_windowing(np.array([-1e12, 1e12]), tags))
