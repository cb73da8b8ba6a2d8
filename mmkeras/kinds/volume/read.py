"""CT and MRI to `(depth, height, width, 1)` int16 inside a window."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from mmkeras.data import (
    BadSample,
    Geometry,
    Reason,
    SampleIO,
    Scan,
    check_frame,
    is_dicom,
    is_nifti,
    needs,
    read_dicom,
    read_folder,
    read_nifti,
)
from mmkeras.kinds.volume import LEVELS, Volume
from mmkeras.spec import Sample

MAX_FILES = 4096
# What a person is told, by note.
SAID = {
    "neighbours_ignored": (
        "{count:,} files passed over that lie beside slices and are none"
    ),
    "orientation_guessed": (
        "{count:,} of {samples:,} NIfTI files tell no orientation "
        "(qform, sform); x was taken to run to the left, as nibabel does"
    ),
    "frames_left": "{count:,} volumes that `frame` does not choose",
    "voxels_filled": (
        "{count:,} voxels that are no numbers, taken for an end of the window"
    ),
    "thin_and_centred": (
        "{count:,} of {samples:,} scans thinner than a voxel, laid "
        "on the one after the middle"
    ),
    "nothing_in_window": (
        "{count:,} of {samples:,} scans with no value inside "
        "`window_low` to `window_high`"
    ),
}


def read(modality: Volume, cells: Mapping[str, str], io: SampleIO) -> Sample:
    """Reads a scan as `(depth, height, width, 1)` int16 over its window.

    A cell names a NIfTI file, one DICOM file, or a folder with the DICOM
    files of one series; their content decides, not their names.

    In this order: slices sorted by their place; what is no number, as the
    background of some NIfTI files, takes the nearer end of the window; the
    closest of the axes of the body (RAS: from inferior to superior, from
    posterior to anterior, from left to right); a blur where voxels grow,
    against aliasing; linear interpolation at `modality.spacing_mm` around the
    centre, with `window_low` outside the scan; the file's slope and intercept
    (a CT is in Hounsfield units then); values outside the window cut to its
    ends.

    Raises:
        BadSample: With the reason. It never holds a value of the header.
    """
    name = cells[modality.column]
    scan = _filled(modality, read_scan(io, name, modality.frame), name)
    values, inside, geometry, moved = _resample(modality, scan, name)
    with np.errstate(all="ignore"):
        values = scan.slope * values + scan.intercept
    if not np.isfinite(values).all():
        raise BadSample(Reason.NOT_FINITE, repr(name))
    low, high = modality.window_low, modality.window_high
    seen = values[inside]
    notes = {
        **scan.notes,
        "thin_and_centred": int(moved),
        "nothing_in_window": int((seen <= low).all() or (seen >= high).all()),
    }
    values = np.where(inside, np.clip(values, low, high), low)
    levels = np.rint((values - low) / (high - low) * LEVELS) - 32768
    return Sample(
        levels.astype(np.int16)[..., None],
        {note: count for note, count in notes.items() if count},
        geometry,
    )


def tell(modality: Volume, notes: Mapping[str, int], samples: int) -> list[str]:
    """Returns what reading changed, as sentences."""
    return [
        SAID.get(note, note.replace("_", " ") + ": {count:,}").format(
            count=count, samples=samples
        )
        for note, count in notes.items()
    ]


def read_scan(io: SampleIO, name: str, frame: int | None = None) -> Scan:
    """Reads the voxels of a file or folder as they are, and their axes."""
    names = io.list(name, MAX_FILES)
    raw = io.bytes(name) if names is None else b""
    # The first bytes of DICOM are free, and Siemens puts an old header there.
    if is_nifti(raw) and not is_dicom(raw):
        return read_nifti(raw, name, frame)
    check_frame(frame, 1, repr(name))
    if names is not None:
        return read_folder(io, name, names)
    if not is_dicom(raw):
        raise BadSample(
            Reason.WRONG_FORMAT, f"{name!r} is neither NIfTI nor DICOM"
        )
    return read_dicom([raw], name)


def _filled(modality: Volume, scan: Scan, name: str) -> Scan:
    """Returns a scan without voxels that are no numbers."""
    if scan.voxels.dtype.kind != "f":
        return scan
    bad = ~np.isfinite(scan.voxels)
    if not bad.any():
        return scan
    if bad.all():
        raise BadSample(Reason.NOT_FINITE, f"{name!r}: no number at all")
    low, high = (
        (end - scan.intercept) / scan.slope
        for end in (modality.window_low, modality.window_high)
    )
    least, most = sorted((low, high))
    voxels = np.nan_to_num(scan.voxels, nan=low, posinf=most, neginf=least)
    notes = {**scan.notes, "voxels_filled": int(bad.sum())}
    return dataclasses.replace(scan, voxels=voxels, notes=notes)


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
) -> tuple[np.ndarray, np.ndarray, Geometry, bool]:
    """Returns the wanted voxels, which of them lie inside the scan, where
    voxels came to lie, and whether a thin scan was moved to one of them."""
    from scipy import ndimage

    voxels, spacing = oriented(scan, name)
    scale = np.divide(modality.spacing_mm, spacing)
    wanted = modality.shape[:3]
    sizes = np.array(voxels.shape)
    # Where the first wanted voxel lies, counted in voxels of the scan.
    first = (sizes - 1 - scale * np.subtract(wanted, 1)) / 2
    # A slice thinner than a voxel may fall between two of them.
    between = (np.array(wanted) % 2 == 0) & (scale > sizes)
    first -= np.where(between, scale / 2, 0)
    places = [f + s * np.arange(n) for f, s, n in zip(first, scale, wanted)]
    inside = [
        (-0.5 <= place) & (place <= size - 0.5)
        for place, size in zip(places, sizes)
    ]
    blur = np.maximum(scale - 1, 0) / 2
    # Of places, which count from the corner of a voxel; x first.
    shift = 0.5 - (first + 0.5) / scale
    geometry = Geometry(
        *(tuple(each[::-1].tolist()) for each in (sizes, np.array(wanted))),
        *(tuple(each[::-1].tolist()) for each in (1 / scale, shift)),
    )
    # Only what is seen is read, with what its blur needs.
    margin = np.ceil(3 * blur) + 1
    low = np.clip(np.floor(first - margin), 0, sizes - 1).astype(int)
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
    inside = deep[:, None, None] & high[:, None] & wide
    return found, inside, geometry, bool(between.any())
