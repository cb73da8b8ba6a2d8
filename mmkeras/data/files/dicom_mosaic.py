"""A Siemens mosaic: the slices of a volume, side by side in one plane."""

import math

import numpy as np

from mmkeras.data.files.dicom_files import DicomFile, read_tags
from mmkeras.data.files.extras import needs
from mmkeras.data.files.reasons import BadSample, Reason

# Blocks of Siemens' group that its private header may lie in.
BLOCKS = range(0x10, 0x20)


def slices_of_mosaic(
    file: DicomFile, plane: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Cuts a mosaic into its slices, as nibabel does.

    How many there are, and whether they go up or down, only the private
    header of the scanner tells; without it there is nothing to go by.

    Args:
        file: The file.
        plane: `(rows, columns)` of the mosaic.

    Returns:
        For each slice its pixels, and the way to it from the first one,
        `(3,)` millimetres.
    """
    count, normal = _private(file)
    side = math.ceil(math.sqrt(count))
    rows, columns = plane.shape
    step = file.tags.get("SpacingBetweenSlices") or file.tags.SliceThickness
    if count < 1 or rows % side or columns % side or not step:
        detail = f"{file.where}: a mosaic of {count} slices that do not fit"
        raise BadSample(Reason.BAD_HEADER, detail)
    tiles = plane.reshape(side, rows // side, side, columns // side)
    tiles = tiles.transpose(0, 2, 1, 3).reshape(side * side, rows // side, -1)
    return [
        (tile, number * float(step) * normal)
        for number, tile in enumerate(tiles[:count])
    ]


def _private(file: DicomFile) -> tuple[int, np.ndarray]:
    """Returns the number of slices, and the way that they go in."""
    reader = needs("nibabel.nicom.csareader", "medical")
    wanted = [0x00290000 + block for block in BLOCKS]
    wanted += [0x00290010 + (block << 8) for block in BLOCKS]
    tags, _ = read_tags(file.syntax, file.body, wanted, file.where)
    found = reader.get_csa_header(tags, "image")
    count = found and reader.get_n_mosaic(found)
    normal = found and reader.get_slice_normal(found)
    if not count or normal is None:
        raise BadSample(
            Reason.WRONG_FORMAT,
            f"{file.where}: a mosaic whose private header does not tell its "
            "slices; as NIfTI (dcm2niix) it can be read",
        )
    across, down = np.reshape(
        [float(v) for v in file.tags.ImageOrientationPatient], (2, 3)
    )
    up = np.cross(across, down)
    # The private one is rounded; its sign is what matters.
    return int(count), up if up @ normal > 0 else -up
