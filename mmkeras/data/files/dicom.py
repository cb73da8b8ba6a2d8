"""DICOM files of one series to a scan, and no tag of the patient."""

import warnings
from dataclasses import dataclass

import numpy as np

from mmkeras.data.files.dicom_files import read_frames
from mmkeras.data.files.extras import needs
from mmkeras.data.files.reasons import BadSample, Reason, guarded
from mmkeras.data.files.scan import Scan, check_voxels

# Where the tags of a frame lie in a file of many frames.
GROUPS = {
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "SliceThickness": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
}
REQUIRED = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")


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
    slices = []
    for number, raw in enumerate(files, 1):
        # The name of a file inside a folder may be that of the patient.
        where = f"{name!r}, file {number} of {len(files)}"
        with warnings.catch_warnings():
            # They may quote the value that they warn of.
            warnings.simplefilter("ignore")
            with guarded(Reason.BAD_HEADER, where):
                tags, planes = read_frames(raw, where)
                slices += [
                    _slice(tags, i, plane, where)
                    for i, plane in enumerate(planes)
                ]
        check_voxels((len(slices), *slices[-1].pixels.shape), repr(name))
    return _stack(slices, name)


def _slice(tags, number: int, pixels: np.ndarray, where: str) -> Slice:
    found = {key: _value(tags, number, key) for key in GROUPS}
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


def _value(tags, number: int, key: str):
    """Returns a tag of one frame: its own, that of all frames, or plain."""
    for sequence, item in (
        ("PerFrameFunctionalGroupsSequence", number),
        ("SharedFunctionalGroupsSequence", 0),
    ):
        items = tags.get(sequence)
        if items and item < len(items):
            inner = items[item].get(GROUPS[key])
            if inner and inner[0].get(key) is not None:
                return inner[0].get(key)
    return tags.get(key)


def _stack(slices: list[Slice], name: str) -> Scan:
    _check_alike(slices, name)
    first = slices[0]
    across, down, spacing = np.split(first.plane, (3, 6))
    normal = np.cross(across, down)
    # A header rounds: axes of almost length 1 would tilt a tall volume.
    normal /= np.linalg.norm(normal)
    slices = sorted(slices, key=lambda part: part.place @ normal)
    steps = np.diff([part.place @ normal for part in slices])
    step = float(np.median(steps)) if len(steps) else first.thickness
    if not step > 0 or (np.abs(steps - step) > 0.05 * step + 0.01).any():
        raise BadSample(
            Reason.BAD_HEADER,
            f"{name!r}: {len(slices)} slices at uneven or unknown distances",
        )
    aside = np.array([part.place - slices[0].place for part in slices])
    aside -= np.outer(aside @ normal, normal)
    if (np.linalg.norm(aside, axis=1) > spacing.min() / 2).any():
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
        return Scan(np.stack([p.pixels for p in slices]), axes, *scales.pop())
    # PET scales each slice by its own maximum.
    planes = [
        np.float32(part.scale[0]) * part.pixels + np.float32(part.scale[1])
        for part in slices
    ]
    return Scan(np.stack(planes).astype(np.float32), axes)


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
