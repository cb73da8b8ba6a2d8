"""DICOM files of one series to a scan, and no tag of the patient."""

import dataclasses
import warnings
from dataclasses import dataclass

import numpy as np

from mmkeras.data.files.dicom_files import (
    DicomFile,
    NoImage,
    frame_value,
    open_dicom,
)
from mmkeras.data.files.dicom_mosaic import slices_of_mosaic
from mmkeras.data.files.dicom_pixels import read_frames
from mmkeras.data.files.extras import needs
from mmkeras.data.files.reasons import BadSample, Reason, guarded
from mmkeras.data.files.scan import Scan, check_voxels

# Millimetres by which a place is off that has one digit after the point.
ROUNDED = 0.1
REQUIRED = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
WANTED = (*REQUIRED, "SliceThickness", "RescaleSlope", "RescaleIntercept")


@dataclass(frozen=True)
class Slice:
    """One plane of a scan.

    Args:
        pixels: `(rows, columns)` as stored.
        place: `(3,)` millimetres, of the first pixel.
        plane: `(8,)`: the ways along a row and along a column, unit vectors;
            millimetres between rows and between columns.
        thickness: Millimetres; the depth of a lone slice.
        scale: Slope and intercept.
        series: Whose slice it is.
    """

    pixels: np.ndarray
    place: np.ndarray
    plane: np.ndarray
    thickness: float
    scale: tuple[float, float]
    series: str


def read_dicom(files: list[bytes], name: str) -> Scan:
    """Reads the files of one series.

    Args:
        files: Their bytes, in any order.
        name: The path of the file or folder, for messages.

    Raises:
        BadSample: If they are broken, of several series, or do not lie evenly
            above each other.
    """
    needs("pydicom", "medical")
    slices, ignored = [], 0
    for number, raw in enumerate(files, 1):
        # The name of a file inside a folder may be that of the patient.
        where = f"{name!r}, file {number} of {len(files)}"
        with warnings.catch_warnings():
            # They may quote the value that they warn of.
            warnings.simplefilter("ignore")
            with guarded(Reason.BAD_HEADER, where):
                try:
                    slices += _slices(raw, where)
                except NoImage:
                    if len(files) == 1:
                        raise
                    ignored += 1
        if slices:
            shape = slices[-1].pixels.shape
            check_voxels((len(slices), *shape), repr(name))
    if not slices:
        detail = f"{name!r}: no image among {len(files)} DICOM files"
        raise BadSample(Reason.EMPTY, detail)
    return _stack(slices, {"neighbours_ignored": ignored}, name)


def _slices(raw: bytes, where: str) -> list[Slice]:
    """Returns the planes of one file."""
    file = open_dicom(raw, where)
    _check_grey(file)
    planes = read_frames(file)
    if not file.is_mosaic:
        return [
            _slice(file.tags, i, plane, where) for i, plane in enumerate(planes)
        ]
    if len(planes) > 1:
        detail = f"{where}: {len(planes)} mosaics in one file"
        raise BadSample(Reason.WRONG_FORMAT, detail)
    whole = _slice(file.tags, 0, planes[0], where)
    return [
        dataclasses.replace(whole, pixels=pixels, place=whole.place + way)
        for pixels, way in slices_of_mosaic(file, planes[0])
    ]


def _check_grey(file: DicomFile) -> None:
    """Raises BadSample where a stored number is none of the body."""
    meaning = file.tags.get("PhotometricInterpretation") or "MONOCHROME2"
    if meaning not in ("MONOCHROME1", "MONOCHROME2") or file.samples != 1:
        detail = f"{file.where}: in colour"
        raise BadSample(Reason.WRONG_FORMAT, detail)
    if file.tags.get("ModalityLUTSequence"):
        detail = f"{file.where}: values that a table stands for"
        raise BadSample(Reason.WRONG_FORMAT, detail)


def _slice(tags, number: int, pixels: np.ndarray, where: str) -> Slice:
    found = {key: frame_value(tags, number, key) for key in WANTED}
    lacking = [key for key in REQUIRED if found[key] is None]
    if lacking:
        raise BadSample(Reason.BAD_HEADER, f"{where}: no {lacking[0]}")
    place, axes, spacing = (np.array(found[k], float) for k in REQUIRED)
    across, down = axes.reshape(2, 3)
    square = np.array([across @ across, down @ down, 1 + across @ down])
    if not (np.abs(square - 1) < 0.01).all():
        raise BadSample(Reason.BAD_HEADER, f"{where}: impossible axes")
    offsets = tags.get("GridFrameOffsetVector")
    if offsets:
        step = float(offsets[number]) - float(offsets[0])
        place = place + step * np.cross(across, down)
    slope, intercept = found["RescaleSlope"], found["RescaleIntercept"]
    return Slice(
        pixels,
        place.reshape(3),
        np.concatenate([axes, spacing.reshape(2)]),
        float(found["SliceThickness"] or 0),
        (
            1.0 if slope is None else float(slope),
            0.0 if intercept is None else float(intercept),
        ),
        str(tags.get("SeriesInstanceUID", "")),
    )


def _stack(slices: list[Slice], notes: dict[str, int], name: str) -> Scan:
    _check_alike(slices, name)
    first = slices[0]
    across, down, spacing = np.split(first.plane, (3, 6))
    normal = np.cross(across, down)
    # A header rounds: axes of almost length 1 would tilt a tall volume.
    normal /= np.linalg.norm(normal)
    slices = sorted(slices, key=lambda part: part.place @ normal)
    step = _step(np.array([part.place @ normal for part in slices]))
    step = first.thickness if len(slices) == 1 else step
    if not step > 0:
        raise BadSample(
            Reason.BAD_HEADER,
            f"{name!r}: {len(slices)} slices at uneven or unknown distances",
        )
    aside = np.array([part.place - slices[0].place for part in slices])
    aside -= np.outer(aside @ normal, normal)
    most = max(spacing.min() / 2, ROUNDED)
    if (np.linalg.norm(aside, axis=1) > most).any():
        raise BadSample(
            Reason.BAD_HEADER,
            f"{name!r}: {len(slices)} slices that are not above each other, "
            "as with a tilted gantry",
        )
    axes = [step * normal, spacing[0] * down, spacing[1] * across]
    # DICOM counts to the left and to posterior.
    axes = np.stack(axes, axis=1) * [[-1], [-1], [1]]
    scales = {part.scale for part in slices}
    if len(scales) == 1:
        voxels = np.stack([part.pixels for part in slices])
        return Scan(voxels, axes, *scales.pop(), notes=notes)
    # PET scales each slice by its own maximum.
    planes = [
        np.float32(part.scale[0]) * part.pixels + np.float32(part.scale[1])
        for part in slices
    ]
    return Scan(np.stack(planes).astype(np.float32), axes, notes=notes)


def _step(places: np.ndarray) -> float:
    """Returns the distance of slices that lie evenly; NaN where they do not.

    Args:
        places: `(slices,)` millimetres, sorted.
    """
    if len(places) == 1:
        return np.nan
    steps = np.diff(places)
    # The whole way is known better than the way from slice to slice.
    step = (places[-1] - places[0]) / len(steps)
    if (np.abs(steps - step) <= 0.05 * step + 0.01).all():
        return step
    # A header may round each place, which says little of thin slices.
    count = np.arange(len(places))
    step, start = np.polyfit(count, places, 1)
    away = np.abs(places - start - step * count).max()
    half = (np.abs(steps - step) < step / 2).all()
    return float(step) if half and away <= ROUNDED else np.nan


def _check_alike(slices: list[Slice], name: str) -> None:
    first = slices[0]
    for part in slices:
        plane = np.allclose(part.plane, first.plane, atol=1e-3)
        same = {
            "series": part.series == first.series,
            "size": part.pixels.shape == first.pixels.shape,
            "orientation or spacing": plane,
        }
        for what, alike in same.items():
            if not alike:
                raise BadSample(
                    Reason.BAD_HEADER, f"{name!r}: slices of different {what}"
                )
