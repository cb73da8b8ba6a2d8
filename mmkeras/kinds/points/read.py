"""Clouds of points of any format to `(points, columns)` float32."""

import io
import math
import struct
from collections.abc import Mapping

import numpy as np

from mmkeras.data import (
    BadSample,
    Reason,
    SampleIO,
    guarded,
    known_moments,
    known_sums,
    needs,
    shares,
)
from mmkeras.data.files.memory import check_memory
from mmkeras.kinds.points import Points
from mmkeras.kinds.points.cloud_choice import choose
from mmkeras.kinds.points.cloud_files import (
    MAX_VALUES,
    Damaged,
    columns_of,
    format_of,
    pcd_header,
    read_cloud,
)
from mmkeras.spec import Sample

# What a LAS file calls its scaled coordinates.
LAS_PLACE = ("x", "y", "z")
# Bytes of the least record before and behind the points of a LAS file, and
# the bit of a packed format.
VLR_BYTES, EVLR_BYTES, PACKED = 54, 60, 0x80


def sums(modality: Points, value: np.ndarray) -> dict:
    """Returns sums a column over the points that are there."""
    return known_sums(value)


def finish(modality: Points, found: dict | None) -> dict:
    """Returns `mean` and `std` a column, over the points that are there."""
    mean, variance = known_moments(found, len(modality.columns))
    return {"mean": mean, "std": [math.sqrt(v) for v in variance]}


def tell(modality: Points, notes: Mapping[str, int], samples: int) -> list[str]:
    """Returns what reading changed, as sentences with shares."""
    parts = dict.fromkeys(
        ("points_without_a_place", "points_outside", "points_merged",
         "points_left_out", "values_not_finite"),
        (0, "points"),
    )  # fmt: skip
    parts["missing_points"] = (modality.points, "points")
    return shares(notes, samples, parts)


def read(
    modality: Points, cells: Mapping[str, str], source: SampleIO
) -> Sample:
    """Reads a cloud, as `cloud_choice.choose` says, of whatever format.

    The content decides: floats without a header, .npy, .npz, PCD, LAS, LAZ,
    PLY, or lines of numbers.

    Raises:
        BadSample: With the reason.
    """
    name = cells[modality.column]
    cloud = raw_cloud(modality, name, source)
    try:
        value, notes = choose(cloud, modality.choice)
    except ValueError as error:
        raise BadSample(Reason.EMPTY, f"{name!r}: {error}") from None
    return Sample(value, notes)


def raw_cloud(modality: Points, name: str, source: SampleIO) -> np.ndarray:
    """Returns the model's columns of all points of a file, as they are."""
    raw, wanted = source.bytes(name), modality.columns
    reader = READERS.get(format_of(raw))
    try:
        if reader is not None:
            return columns_of(reader(raw, name, wanted), wanted, ())
        return read_cloud(raw, wanted, modality.names_in_file)
    except Damaged as error:
        reason = Reason(error.reason)
        raise BadSample(reason, f"{name!r}: {error}") from None


def _las(raw: bytes, name: str, wanted: tuple[str, ...]) -> dict:
    laspy = needs("laspy", "points")
    with guarded(Reason.CORRUPT, repr(name)):
        _check_las(raw, name)
        points = laspy.read(io.BytesIO(raw))
        known = {*LAS_PLACE, *points.point_format.dimension_names}
        # `X` is a raw integer, and `x` that in metres.
        return {
            key: np.asarray(getattr(points, key))
            for key in (*LAS_PLACE, *sorted(known - {"X", "Y", "Z"}))
            if key.casefold() in {one.casefold() for one in wanted}
        }


def _check_las(raw: bytes, name: str) -> None:
    """Raises BadSample for a header that promises more than there is.

    laspy believes it: a flipped bit made it read records for hours.
    """
    size, start, records, form, bytes_each, count = struct.unpack_from(
        "<HIIBHI", raw, 94
    )
    # The number of the version decides where further counts stand.
    if raw[25] >= 4:
        place, further, count = struct.unpack_from("<QIQ", raw, 235)
        if further and not 0 < place <= len(raw) - further * EVLR_BYTES:
            detail = f"{name!r}: {further:,} records behind the points"
            raise BadSample(Reason.TRUNCATED, detail)
    _check_count(count, name)
    if size > start or records > (start - size) // VLR_BYTES:
        raise BadSample(Reason.BAD_HEADER, f"{name!r}: {records:,} records")
    if form & PACKED:
        # lazrs ends the process where it cannot allocate so many chunks.
        (table,) = struct.unpack_from("<q", raw, start)
        _, chunks = struct.unpack_from("<II", raw, table)
        good = 0 < table <= len(raw) and chunks <= len(raw)
    else:
        good = bytes_each * count <= len(raw) - start
    if not good:
        detail = f"{name!r}: fewer bytes than of {count:,} points"
        raise BadSample(Reason.TRUNCATED, detail)


def _ply(raw: bytes, name: str, wanted: tuple[str, ...]) -> dict:
    needs("trimesh", "points")
    from trimesh.exchange.ply import load_ply

    with guarded(Reason.CORRUPT, repr(name)):
        found = load_ply(io.BytesIO(raw))["metadata"]["_ply_raw"]["vertex"]
        data, count = found["data"], int(found["length"])
        _check_count(count, name)
        names = getattr(getattr(data, "dtype", None), "names", None) or data
        columns = {key: np.asarray(data[key]).reshape(-1) for key in names}
        if min(map(len, columns.values())) < count:
            raise BadSample(Reason.TRUNCATED, f"{name!r}: of {count:,} points")
        return columns


def _packed_pcd(raw: bytes, name: str, wanted: tuple[str, ...]) -> dict:
    pypcd4 = needs("pypcd4", "points")
    with guarded(Reason.CORRUPT, repr(name)):
        header, _ = pcd_header(raw)
        _check_count(int(header["POINTS"][0]), name)
        found = pypcd4.PointCloud.from_fileobj(io.BytesIO(raw)).pc_data
        return {key: found[key] for key in found.dtype.names}


def _check_count(count: int, name: str) -> None:
    if not 0 < count <= MAX_VALUES // 3:
        reason = Reason.TOO_LARGE if count > 0 else Reason.EMPTY
        raise BadSample(reason, f"{name!r}: {count:,} points")
    check_memory(3 * 8 * count, repr(name))


# What needs a library; the rest NumPy reads, on the device as well.
READERS = {"las": _las, "ply": _ply, "packed pcd": _packed_pcd}
