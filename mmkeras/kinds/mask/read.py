"""Files of masks to a class for each pixel that is stored."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np

from mmkeras.data import (
    BadSample,
    Reason,
    SampleIO,
    guarded,
    is_nifti,
    open_picture,
    read_nifti,
)
from mmkeras.kinds.mask import Mask
from mmkeras.kinds.volume.read import oriented
from mmkeras.spec import Label, Sample

NPY = b"\x93NUMPY"
# Cells of the mean mask, along each axis.
GRID = 16
# What stands for the one class beside 1, where the spec does not tell.
WHITE = 255
# Unknown values that are named.
MAX_NAMED = 5
# Modes of Pillow whose numbers are those of the file.
MODES = ("1", "L", "P", "I", "I;16", "I;16B")


def source_files(mask: Mask, cells: Mapping[str, str]) -> tuple[str, ...]:
    """Returns the file of the mask."""
    return (cells[mask.column],)


def read(
    mask: Mask,
    cells: Mapping[str, str],
    io: SampleIO,
    samples: Mapping[str, Sample],
) -> Label:
    """Reads the mask of a sample, laid as its picture was.

    Raises:
        BadSample: If it cannot be read, has another size than the picture, or
            a value that no class has.
    """
    name = cells[mask.column]
    values = grey_of(io.bytes(name), name, len(mask.shape))
    if mask.modality not in samples:
        empty = np.full(mask.shape, mask.unlabelled, mask.dtype)
        return Label(empty, 0.0, {"without_picture": 1})
    geometry = samples[mask.modality].geometry
    values = _upright(values, geometry, name)
    classes = _classes(mask, values, name)
    found = geometry.lay(classes, fill=mask.unlabelled)
    # Where the picture is not there is nothing to find, nor to miss.
    notes = {"nothing_marked": int(not _marked(mask, found))}
    return Label(found, 1.0, {n: c for n, c in notes.items() if c})


def _marked(mask: Mask, classes: np.ndarray) -> bool:
    return bool(((classes > 0) & (classes != mask.unlabelled)).any())


def tell(mask: Mask, notes: Mapping[str, int], samples: int) -> list[str]:
    """Returns what a person should know of masks, as sentences."""
    said = {
        "without_picture": "have no picture, so their mask is no label",
        "nothing_marked": "mark nothing",
    }
    return [
        f"{count:,} of {samples:,} masks {said.get(note, note)}"
        for note, count in notes.items()
    ]


def grey_of(raw: bytes, name: str, axes: int) -> np.ndarray:
    """Returns the numbers of a mask, rows first; slices first, of a volume.

    Args:
        raw: The file's bytes; what they hold says their format.
        name: Its name, for messages.
        axes: 2 for a picture, 3 for a volume.
    """
    if raw.startswith(NPY):
        with guarded(Reason.CORRUPT, repr(name)):
            found = np.load(BytesIO(raw), allow_pickle=False)
        found = _whole(found, name)
    elif is_nifti(raw):
        scan = read_nifti(raw, name, None)
        voxels, _ = oriented(scan, name)
        with np.errstate(all="ignore"):
            found = _whole(scan.slope * voxels + scan.intercept, name)
    else:
        opened, _ = open_picture(raw, name)
        picture = _grey(opened)
        if picture.mode not in MODES or opened.format == "JPEG":
            raise BadSample(
                Reason.WRONG_FORMAT,
                f"{name!r}: a mask is grey and without loss, not "
                f"{opened.format} {picture.mode}",
            )
        found = np.asarray(picture).astype(np.int64)
    if found.ndim == axes + 1 and found.shape[-1] == 1:
        found = found[..., 0]
    if found.ndim != axes:
        raise BadSample(
            Reason.WRONG_SIZE,
            f"{name!r}: {found.ndim} axes, {axes} are expected",
        )
    return found


def _grey(picture: Any) -> Any:
    """Returns one channel of a picture in colour whose channels are equal."""
    if picture.mode != "RGB":
        return picture
    red, *others = picture.split()
    same = all(one.tobytes() == red.tobytes() for one in others)
    return red if same else picture


def _whole(values: np.ndarray, name: str) -> np.ndarray:
    """Returns whole numbers; a mask may hold them as floats."""
    if values.dtype.kind not in "biuf":
        raise BadSample(Reason.WRONG_FORMAT, f"{name!r}: no numbers")
    if values.dtype.kind == "f" and not (
        np.isfinite(values).all() and (values == np.rint(values)).all()
    ):
        raise BadSample(Reason.BAD_LABEL, f"{name!r}: no whole numbers")
    return values.astype(np.int64)


def _upright(values: np.ndarray, geometry: Any, name: str) -> np.ndarray:
    size = values.shape[::-1]
    if size == geometry.size:
        return values
    if size == geometry.file_size:
        # Drawn over the file, before a viewer turned it.
        return geometry.turned(values)
    wanted, found = ("x".join(map(str, s)) for s in (geometry.size, size))
    raise BadSample(
        Reason.WRONG_SIZE, f"{name!r}: {found}, its picture has {wanted}"
    )


def _classes(mask: Mask, values: np.ndarray, name: str) -> np.ndarray:
    """Returns the class of each pixel: 0, 1, ..., or what is unknown."""
    table = {mask.background: 0}
    table |= {code: place + 1 for place, code in enumerate(mask.codes)}
    if mask.unknown is not None:
        table[mask.unknown] = int(mask.unlabelled)
    if mask.values is None and len(mask.classes) == 1:
        table.setdefault(WHITE, 1)
    found = np.full(values.shape, mask.unlabelled, mask.dtype)
    left = np.ones(values.shape, bool)
    for value, place in table.items():
        here = values == value
        found[here], left[here] = place, False
    if left.any():
        others = np.unique(values[left])
        told = ", ".join(map(str, others[:MAX_NAMED].tolist()))
        raise BadSample(
            Reason.BAD_LABEL,
            f"{name!r}: {np.count_nonzero(left):,} pixels of {told}, which "
            "is no class",
        )
    return found


def sums(mask: Mask, label: Label) -> dict[str, Any]:
    """Returns pixels by class, and where each class is, on a coarse grid."""
    value = np.asarray(label.value)
    known = value != mask.unlabelled
    each = [value == place + 1 for place in range(len(mask.classes))]
    return {
        "samples": 1,
        "known": int(known.sum()),
        "pixels": [int(one.sum()) for one in each],
        "where": [_coarse(mask, one).ravel().tolist() for one in each],
    }


def _grid(mask: Mask) -> list[np.ndarray]:
    return [
        np.floor(np.linspace(0, n, min(n, GRID), endpoint=False)).astype(int)
        for n in mask.shape
    ]


def _coarse(mask: Mask, marked: np.ndarray) -> np.ndarray:
    """Returns the share of each cell of the grid that is marked."""
    found, cells = marked.astype(float), np.ones(marked.shape)
    for axis, starts in enumerate(_grid(mask)):
        found = np.add.reduceat(found, starts, axis=axis)
        cells = np.add.reduceat(cells, starts, axis=axis)
    return (found / cells).round(4)


def finish(mask: Mask, found: dict[str, Any] | None) -> dict[str, Any]:
    """Returns the share of pixels of each class, and the mean mask."""
    if found is None:
        return {}
    shares = [count / max(found["known"], 1) for count in found["pixels"]]
    mean = np.divide(found["where"], found["samples"]).round(3)
    return {
        "samples": found["samples"],
        "shares": dict(zip(mask.classes, shares, strict=True)),
        "mean_mask": mean.tolist(),
    }


def mean_mask(mask: Mask, facts: Mapping[str, Any]) -> np.ndarray | None:
    """Returns the output of what knows the training masks alone."""
    if "mean_mask" not in facts:
        return None
    starts = _grid(mask)
    shape = [len(one) for one in starts]
    found = []
    for cells in facts["mean_mask"]:
        cells = np.reshape(cells, shape)
        for axis, (start, n) in enumerate(zip(starts, mask.shape)):
            times = np.diff(np.append(start, n))
            cells = np.repeat(cells, times, axis=axis)
        found.append(cells)
    found = np.stack(found, axis=-1)
    if mask.outputs > 1:
        rest = np.maximum(1 - found.sum(axis=-1, keepdims=True), 0)
        found = np.concatenate([rest, found], axis=-1)
    return found
