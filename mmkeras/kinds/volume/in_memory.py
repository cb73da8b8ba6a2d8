"""Scans in memory as NIfTI files."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mmkeras.data import kept_file, needs
from mmkeras.kinds.volume import Volume


def cell(
    modality: Volume, column: str, value: Any, keep: Callable[[str, bytes], str]
) -> str:
    """Returns the path of a scan: bytes of a file, or an array.

    An array is `(depth, height, width)`, its axes those of the body as the
    model gets them, with voxels of the spec's `spacing_mm`.
    """
    found = kept_file(value, keep, suffix_of)
    if found is not None:
        return found
    array = np.asarray(value)
    if array.ndim == 4 and array.shape[3] == 1:
        array = array[..., 0]
    if array.ndim != 3 or array.dtype.kind not in "fiu":
        raise ValueError(
            f"an array must be (depth, height, width); it is {array.shape}"
        )
    if array.dtype.itemsize == 8:
        array = array.astype(np.float64)
    nibabel = needs("nibabel", "medical")
    # A NIfTI counts from left, from behind and from below.
    affine = np.diag([*modality.spacing_mm[::-1], 1.0])
    scan = nibabel.Nifti1Image(array.transpose(2, 1, 0), affine)
    return keep(".nii", scan.to_bytes())


def suffix_of(raw: bytes) -> str:
    """Returns the suffix of a scan's format."""
    if raw[128:132] == b"DICM":
        return ".dcm"
    return ".nii.gz" if raw.startswith(b"\x1f\x8b") else ".nii"
