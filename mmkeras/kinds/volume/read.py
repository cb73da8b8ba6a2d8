"""CT and MRI to `(depth, height, width, 1)` int16 inside a window."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mmkeras.data import (
    BadSample,
    Reason,
    SampleIO,
    needs,
    read_dicom,
    read_nifti,
)
from mmkeras.data.files.scan import MAX_BYTES, Scan
from mmkeras.kinds.volume import LEVELS, Volume
from mmkeras.spec import Sample

MAX_FILES = 4096


def read(modality: Volume, cells: Mapping[str, str], io: SampleIO) -> Sample:
    """Reads a scan as `(depth, height, width, 1)` int16 over its window.

    A cell names a .nii or .nii.gz file, one DICOM file, or a folder with the
    DICOM files of one series.

    In this order: slices sorted by their place; the closest of the axes of
    the body (RAS: from inferior to superior, from posterior to anterior, from
    left to right); a blur where voxels grow, against aliasing; linear
    interpolation at `modality.spacing_mm` around the centre, with
    `window_low` outside the scan; the file's slope and intercept (a CT is in
    Hounsfield units then); values outside the window cut to its ends.

    Raises:
        BadSample: With the reason. It never holds a value of the header.
    """
    name = cells[modality.column]
    scan = read_scan(io, name)
    values, inside = _resample(modality, scan, name)
    with np.errstate(all="ignore"):
        values = scan.slope * values + scan.intercept
    if not np.isfinite(values).all():
        raise BadSample(Reason.NOT_FINITE, repr(name))
    low, high = modality.window_low, modality.window_high
    values = np.where(inside, np.clip(values, low, high), low)
    levels = np.rint((values - low) / (high - low) * LEVELS) - 32768
    return Sample(levels.astype(np.int16)[..., None])


def read_scan(io: SampleIO, name: str) -> Scan:
    """Reads the voxels of a file or folder as they are, and their axes."""
    names = io.list(name, MAX_FILES)
    if names is None:
        if name.lower().endswith((".nii", ".nii.gz")):
            return read_nifti(io.bytes(name), name)
        if Path(name).suffix.lower() not in (".dcm", ".dicom", ""):
            raise BadSample(
                Reason.WRONG_FORMAT,
                f"{name!r} must end in .nii, .nii.gz or .dcm, or be a folder",
            )
        return read_dicom([io.bytes(name)], name)
    # A folder has files of its system, and perhaps an index, beside slices.
    names = [n for n in names if n[0] != "." and n.upper() != "DICOMDIR"]
    files, total = [], 0
    for number, inner in enumerate(names, 1):
        try:
            files.append(io.bytes(str(Path(name, inner))))
        except BadSample as error:
            # Its text has the inner name, which may be that of the patient.
            detail = f"{name!r}, file {number} of {len(names)}"
            raise BadSample(error.reason, detail) from None
        total += len(files[-1])
        if total > MAX_BYTES:
            raise BadSample(
                Reason.TOO_LARGE, f"{name!r}: more than {MAX_BYTES:,} bytes"
            )
    if not files:
        raise BadSample(Reason.EMPTY, f"{name!r}: no file")
    return read_dicom(files, name)


def oriented(scan: Scan, name: str) -> tuple[np.ndarray, list[float]]:
    """Returns voxels `(z, y, x)` along RAS, and their spacing in mm."""
    nibabel = needs("nibabel", "medical")
    with np.errstate(all="ignore"):
        sides = np.sqrt((np.asarray(scan.axes) ** 2).sum(axis=0))
    if not np.isfinite(sides).all() or not (
        sides.min() >= 1e-3 and sides.max() <= 1e3
    ):
        raise BadSample(Reason.BAD_HEADER, f"{name!r}: impossible spacing")
    affine = np.eye(4)
    affine[:3, :3] = scan.axes
    turns = nibabel.io_orientation(affine)
    if np.isnan(turns).any():
        raise BadSample(Reason.BAD_HEADER, f"{name!r}: axes in one plane")
    voxels = nibabel.apply_orientation(scan.voxels, turns).transpose(2, 1, 0)
    spacing = dict(zip(turns[:, 0].astype(int), sides.tolist(), strict=True))
    return voxels, [spacing[2], spacing[1], spacing[0]]


def _resample(
    modality: Volume, scan: Scan, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the wanted voxels, and which of them lie inside the scan."""
    from scipy import ndimage

    voxels, spacing = oriented(scan, name)
    scale = np.divide(modality.spacing_mm, spacing)
    wanted = modality.shape[:3]
    # Where the first wanted voxel lies, counted in voxels of the scan.
    first = (np.subtract(voxels.shape, 1) - scale * np.subtract(wanted, 1)) / 2
    places = [f + s * np.arange(n) for f, s, n in zip(first, scale, wanted)]
    inside = [
        (-0.5 <= place) & (place <= size - 0.5)
        for place, size in zip(places, voxels.shape)
    ]
    blur = np.maximum(scale - 1, 0) / 2
    # Only what is seen is read, with what its blur needs.
    margin = np.ceil(3 * blur) + 1
    low = np.maximum(np.floor(first - margin), 0).astype(int)
    end = np.ceil([place[-1] for place in places] + margin).astype(int) + 1
    voxels = voxels[tuple(map(slice, low, end))].astype(np.float32)
    if blur.any():
        ndimage.gaussian_filter(
            voxels, blur, output=voxels, mode="nearest", truncate=3
        )
    found = ndimage.affine_transform(
        voxels, scale, first - low, wanted, order=1, mode="nearest"
    )
    deep, high, wide = inside
    return found, deep[:, None, None] & high[:, None] & wide
